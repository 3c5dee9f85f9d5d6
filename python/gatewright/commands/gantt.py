# SPDX-License-Identifier: Apache-2.0
"""`gatewright gantt`."""

from __future__ import annotations

import click


@click.command("gantt")
@click.argument("name", metavar="EXAMPLE")
@click.option("--lengths", help="Input tokens of every sequence, as 9,13,58 [default: of samples].")
@click.option(
    "--first", type=click.IntRange(1), default=8, show_default=True, help="So many samples, without --lengths."
)
@click.option("--policy", default="arrival", show_default=True, help="Who goes first; an unknown one lists them all.")
@click.option("--board", default="u200", show_default=True, help="Board that foldings are chosen for.")
@click.option("--target", type=float, help="Cycles per sample that are fast enough [default: the example's own].")
@click.option("--clock", type=float, help="MHz: the picture then shows microseconds.")
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), default="gantt.svg", show_default=True, help=".svg, .png"
)
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Also write the schedule to this file.")
def COMMAND(
    name: str,
    lengths: str | None,
    first: int,
    policy: str,
    board: str,
    target: float | None,
    clock: float | None,
    output: str,
    path: str | None,
) -> None:
    """Draw how a batch goes through an example's hardware, block by block, by the cycle model.

    \b
    gatewright gantt minilm -o ring.svg
    gatewright gantt minilm --lengths 9,58,13 --policy shortest --clock 250
    gatewright gantt mnist_lenet --first 3 -o lenet.png --json lenet.json
    """
    from rich.table import Table

    from gatewright import boards
    from gatewright.console import console
    from gatewright.design import fold
    from gatewright.errors import DataError
    from gatewright.examples import examples

    known = examples()
    if name not in known:
        raise DataError(f"example {name}", "not found", ", ".join(known))
    tokens = _numbers(lengths) if lengths else []
    example = known[name]
    study = example.study()
    design = fold(study.imported, boards.load(board), target or example.target, ring=example.ring)
    tokens = tokens or [len(s) for s in study.imported.encode(study.samples[:first])]
    found = design.schedule(tokens, policy)
    written = found.gantt(output, clock)
    if path:
        found.save(path)
    table = Table(title=f"{name}: {len(tokens)} sequences, {policy}, {found.cycles:,} cycles")
    for column in ("block", "at work", "of the makespan"):
        table.add_column(column, justify="left" if column == "block" else "right")
    for block, share in found.utilisation.items():
        table.add_row(block, f"{found.busy[block]:,}", f"{share:.1%}")
    console().print(table)
    console().print(f"most in flight: {found.most.tokens:,} tokens, {found.most.sequences} sequences")
    console().print(f"wrote {written}", highlight=False)


def _numbers(text: str) -> list[int]:
    """Raises BadParameter: not numbers with commas between."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r}; give whole numbers, as in 9,13,58", param_hint="--lengths") from None
