# SPDX-License-Identifier: Apache-2.0
"""`gatewright boards`."""

from __future__ import annotations

import click


@click.command("boards")
def COMMAND() -> None:
    """List the boards with their resources.

    \b
    gatewright boards
    """
    from rich.table import Table

    from gatewright import boards
    from gatewright.console import console

    table = Table(title="Boards")
    for column in ("name", "part", "family", "LUT", "FF", "DSP", "BRAM36", "URAM", "MHz"):
        table.add_column(column, justify="left" if column in ("name", "part", "family") else "right")
    for name in boards.names():
        board = boards.load(name)
        have = board.budget.amounts()
        amounts = [f"{have[k]:,.0f}" for k in ("lut", "ff", "dsp", "bram36", "uram288")]
        table.add_row(name, board.part, board.family, *amounts, f"{board.clock_mhz:g}")
    console().print(table)
