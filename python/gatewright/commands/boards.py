# SPDX-License-Identifier: Apache-2.0
"""`gatewright boards`."""

from __future__ import annotations

import click

TITLE = "board"
COLUMNS = ("name", TITLE, "part", "LUT", "FF", "DSP", "BRAM36", "URAM", "MHz", "flow")


@click.command("boards")
@click.option("--markdown", "as_text", is_flag=True, help="The table as Markdown, with the sources of its figures.")
def COMMAND(as_text: bool) -> None:
    """List the boards with their resources, and the flow that builds for them.

    \b
    gatewright boards
    gatewright boards --markdown
    """
    from rich.table import Table

    from gatewright.console import console

    if as_text:
        click.echo(markdown(), nl=False)
        return
    table = Table(title="Boards")
    # The maker's name of a board is for pages: a terminal has no room for it.
    for column in (c for c in COLUMNS if c != TITLE):
        table.add_column(column, justify="right" if column in COLUMNS[3:-1] else "left")
    for row in rows():
        table.add_row(*(cell for column, cell in zip(COLUMNS, row, strict=False) if column != TITLE))
    console().print(table)


def rows() -> list[tuple[str, ...]]:
    """One row per board: `COLUMNS`, and the source of the figures."""
    from gatewright import boards

    found = []
    for name in boards.names():
        board = boards.load(name)
        have = board.budget.amounts()
        amounts = [f"{have[k]:,.0f}" for k in ("lut", "ff", "dsp", "bram36", "uram288")]
        names = ", ".join((name, *board.aliases))
        flow = str(board.flow.get("tool", ""))
        found.append((names, board.title, board.part, *amounts, f"{board.clock_mhz:g}", flow, board.source))
    return found


def markdown() -> str:
    """The table for a page."""
    titles = (*COLUMNS, "source")
    lines = [titles, ["---"] * 3 + ["---:"] * 6 + ["---"] * 2, *rows()]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
