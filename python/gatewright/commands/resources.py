# SPDX-License-Identifier: Apache-2.0
"""`gatewright resources`."""

from __future__ import annotations

import click


@click.command("resources")
@click.argument("name", metavar="EXAMPLE")
@click.option("--board", default="u200", show_default=True, help="Board whose family and budget are used.")
@click.option("--target", type=float, help="Cycles per sample that are fast enough [default: the example's own].")
@click.option("--flow", default="", help="Yosys flow, e.g. stock or packed [default: the family's].")
def COMMAND(name: str, board: str, target: float | None, flow: str) -> None:
    """Synthesize each operator of an example with Yosys, beside the analytic model and the board's budget.

    \b
    gatewright resources digits_mlp
    gatewright resources mnist_lenet --board pynq-z2 --target 20000
    """
    from gatewright import boards
    from gatewright.console import console
    from gatewright.design import fold
    from gatewright.errors import DataError
    from gatewright.examples import examples

    known = examples()
    if name not in known:
        raise DataError(f"example {name}", "not found", ", ".join(known))
    example = known[name]
    design = fold(example.study().imported, boards.load(board), target or example.target, ring=example.ring)
    console().print(design.resources(flow).table())
