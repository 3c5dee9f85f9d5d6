# SPDX-License-Identifier: Apache-2.0
"""`gatewright sim`: the main job, from training to bit-exact RTL."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

if TYPE_CHECKING:
    from rich.table import Table

    from gatewright.design import Design
    from gatewright.examples import Example

STALL = 0.3
"""Chance per cycle that a port pauses in the cocotb run."""
COCOTB_BEATS = 5_000
"""Input and output beats of the cocotb run, which steps every cycle from Python."""


@click.command("sim")
@click.argument("names", nargs=-1, metavar="[EXAMPLE]...")
@click.option("--board", default="u200", show_default=True, help="Board that foldings are chosen for.")
@click.option("--target", type=float, help="Cycles per sample that are fast enough [default: the example's own].")
@click.option("--waves", is_flag=True, help="Record an FST waveform of the cocotb run.")
@click.option("--seed", default=1, show_default=True, help="Of the stall patterns.")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Also write the figures to this file.")
def COMMAND(names: tuple[str, ...], board: str, target: float | None, waves: bool, seed: int, path: str | None) -> None:
    """Train the examples, compile them, simulate their RTL, and compare.

    Every sample goes through the Verilated design at full speed; the first ones also through cocotb, with random
    pauses on every port. Exit code 1 if a single integer differs from golden. Of a network between two parties, both
    datapaths run with a slow link between them; all shares and messages must be those of the software parties.

    \b
    gatewright sim
    gatewright sim mnist_lenet --target 2000 --board zcu104
    gatewright sim digits_mlp --waves      then: surfer build/waves/*.fst
    gatewright sim secure_mlp
    """
    from gatewright.console import console as standard
    from gatewright.errors import DataError
    from gatewright.examples import examples, two_party

    known, private = examples(), two_party()
    for name in names:
        if name not in known and name not in private:
            raise DataError(f"example {name}", "not found", ", ".join([*known, *private]))
    console = standard()
    results, pairs = [], []
    for name in names or (*known, *private):
        console.print(f"[bold]{name}[/bold]: training (or from the cache), compiling, simulating")
        if name in known:
            results.append(simulate(known[name], board, target, waves, seed, console))
        else:
            pairs.append(private[name].simulate(target, seed))
    if results:
        console.print(summary(results))
    if pairs:
        console.print(summary_of_pairs(pairs))
    every = results + pairs
    if path:
        Path(path).write_text(json.dumps(every, indent=1))
    for problem in (p for r in every for p in r["problems"]):
        console.print(f"[red]{problem}[/red]")
    if any(r["mismatches"] or r["problems"] for r in every):
        raise click.exceptions.Exit(1)


def simulate(
    example: Example, board: str, target: float | None, waves: bool, seed: int, console: Any
) -> dict[str, Any]:
    """Figures of one example; prints its graph and its verification tables."""
    from gatewright import boards
    from gatewright.design import fold
    from gatewright.sim.library import build

    study = example.study()
    design = fold(study.imported, boards.load(board), target or example.target, ring=example.ring)
    console.print(str(design), markup=False, highlight=False)
    few = cocotb_samples(design, study.samples) if example.stalled else 1
    # Without the pauses of the cocotb run, this compares every layer of one sample with the float model.
    stalled = design.verify(
        study.samples[:few], ["cocotb"] if example.stalled else [], stall=STALL, seed=seed, waves=waves
    )
    console.print(stalled.table())
    job = design.job(study.imported.encode(study.samples), seed=seed)
    golden = design.execute("golden", job)
    build([design.rtl])
    start = time.monotonic()
    rtl = design.execute("rtl", job)
    seconds = time.monotonic() - start
    pace = f"{rtl.cycles / seconds:,.0f} cycles per second, loading the weights included"
    console.print(f"{example.name}: {rtl.cycles:,} cycles simulated in {seconds:.1f} s: {pace}")
    wrong = sum(int(np.sum(g != r)) for g, r in zip(golden.outputs[0], rtl.outputs[0], strict=True))
    lengths = [len(s) for s in job.inputs[0]]
    return {
        "example": example.name,
        "board": board,
        "samples": len(lengths),
        "tokens": sum(lengths),
        "cycles": rtl.cycles,
        "seconds": seconds,
        "predicted": design.predict(lengths).cycles,
        "mismatches": wrong + stalled.mismatches,
        "gap": stalled.worst[0],
        "tolerance": stalled.worst[1],
        "layer": stalled.sharpest[0],
        "layer_share": stalled.sharpest[1],
        "problems": stalled.problems(),
        "stalled_samples": few if example.stalled else 0,
        "measure": study.measure,
        "quality": {
            "float": study.quality(study.real),
            "golden": study.quality(study.imported.decode(golden.outputs[0])),
            "rtl": study.quality(study.imported.decode(rtl.outputs[0])),
        },
    }


def cocotb_samples(design: Design, samples: Any) -> int:
    """How many samples fit the cocotb run: at least one."""
    ports = [*design.rtl.inputs, *design.rtl.outputs]
    from gatewright.graph import most_tokens

    beats = sum(most_tokens(p.kind.tokens) * p.kind.channels // p.lanes for p in ports)
    return max(1, min(len(samples), COCOTB_BEATS // beats))


def summary(results: list[dict[str, Any]]) -> Table:
    """The table that a user came for."""
    from rich.table import Table

    table = Table(title="RTL against golden, golden against PyTorch")
    table.add_column("example", no_wrap=True)
    for column in ("samples", "tokens", "cycles", "predicted", "mismatches", "accuracy or cosine: float, golden, RTL"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("layer error / tolerance", justify="right")
    for r in results:
        error = r["predicted"] / r["cycles"] - 1
        scores = "  ".join(f"{r['quality'][k]:.4f}" for k in ("float", "golden", "rtl"))
        table.add_row(
            r["example"],
            f"{r['samples']:,}",
            f"{r['tokens']:,}",
            f"{r['cycles']:,}",
            f"{r['predicted']:,} ({error:+.2%})",
            str(r["mismatches"]),
            scores,
            f"{r['layer_share']:.3f}",
        )
    return table


def summary_of_pairs(results: list[dict[str, Any]]) -> Table:
    """What was compared of networks between two parties."""
    from rich.table import Table

    table = Table(title="Two parties' RTL against their software, labels against golden")
    table.add_column("example", no_wrap=True)
    for column in (
        "queries", "cycles", "per query", "predicted", "share words", "message bytes", "differences",
        "accuracy: float, golden, RTL",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for r in results:
        table.add_row(
            r["example"],
            f"{r['samples']:,}",
            f"{r['cycles']:,}",
            f"{r['interval']:,.0f}",
            f"{r['predicted']:,} ({r['predicted'] / r['interval'] - 1:+.2%})",
            f"{r['words']:,}",
            f"{r['bytes']:,}",
            str(r["mismatches"]),
            "  ".join(f"{r['quality'][k]:.4f}" for k in ("float", "golden", "rtl")),
        )
    return table
