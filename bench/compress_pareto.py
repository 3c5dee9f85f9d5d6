# SPDX-License-Identifier: Apache-2.0
"""Accuracy against bits, and against DSP-cycles, of what all compression benches have left behind.

Run it after the other benches: python bench/compress_pareto.py; writes results/compress_pareto.md, compress_bits.svg
and compress_dsp_cycles.svg. Nothing is measured here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

import matplotlib
from _points import Point, read
from _table import RESULTS, markdown, versions, write

matplotlib.use("svg")
matplotlib.rcParams |= {"svg.hashsalt": "gatewright", "svg.fonttype": "none"}
from matplotlib import pyplot as plt  # noqa: E402

Cost = Callable[[Point], float | None]
COSTS: dict[str, tuple[str, Cost]] = {
    "bits": ("bits of stored weights", lambda p: p.bits),
    "dsp_cycles": ("DSP blocks times cycles per sample", lambda p: p.dsp_cycles),
}
"""Axis title and value by the name of the plot."""
MARKS = "os^vDPX<>*hp"
DIGITS = ".2e"
"""Costs that are equal to so many digits are equal."""
RANGE = 0.12
"""Points so much less accurate than the best of their task are not drawn."""


def costs(points: Sequence[Point], cost: Cost) -> list[tuple[float, Point]]:
    """Points that have this cost, cheapest first; of equally cheap ones the most accurate first."""
    found = [(value, p) for p in points if (value := cost(p)) is not None]
    return sorted(found, key=lambda pair: (float(format(pair[0], DIGITS)), -pair[1].accuracy))


def front(points: Sequence[Point], cost: Cost) -> list[tuple[float, Point]]:
    """Those more accurate than all that cost no more."""
    found: list[tuple[float, Point]] = []
    for value, point in costs(points, cost):
        if not found or point.accuracy > found[-1][1].accuracy:
            found.append((value, point))
    return found


def by_task(points: Sequence[Point], cost: Cost) -> dict[str, list[Point]]:
    """Points of every task in which more than one method has this cost, in order of appearance."""
    found: dict[str, list[Point]] = {}
    for point in points:
        if cost(point) is not None:
            found.setdefault(point.task, []).append(point)
    return {task: own for task, own in found.items() if len({p.method for p in own}) > 1}


def plot(name: str, points: Sequence[Point]) -> None:
    """One panel per task; steps join the front, whose points have numbers and are named beside the panel."""
    title, cost = COSTS[name]
    tasks = by_task(points, cost)
    figure, panels = plt.subplots(len(tasks), 1, figsize=(12, 3.6 * len(tasks)), squeeze=False)
    for axes, (task, own) in zip(panels.flat, tasks.items(), strict=True):
        draw(axes, own, cost)
        axes.set(title=task, xlabel=title, ylabel="accuracy", xscale="log")
    height = 3.6 * len(tasks)
    figure.subplots_adjust(left=0.07, right=0.5, bottom=0.6 / height, top=1 - 0.4 / height, hspace=0.4)
    figure.savefig(RESULTS / f"compress_{name}.svg", metadata={"Date": None})
    plt.close(figure)


def draw(axes: Any, points: Sequence[Point], cost: Cost) -> None:
    """Points of one task by method, with their spread over seeds."""
    least = max(p.accuracy for p in points) - RANGE
    marks = cycle(MARKS)
    axes.set_prop_cycle(color=matplotlib.colormaps["tab20"].colors)
    for method in dict.fromkeys(p.method for p in points):
        own = costs([p for p in points if p.method == method and p.accuracy >= least], cost)
        axes.errorbar(
            [value for value, _ in own],
            [p.accuracy for _, p in own],
            yerr=[p.spread for _, p in own],
            fmt=next(marks), ms=4, lw=0, elinewidth=0.6, label=method,
        )  # fmt: skip
    best = [(value, p) for value, p in front(points, cost) if p.accuracy >= least]
    values, heights = [v for v, _ in best], [p.accuracy for _, p in best]
    axes.plot(values, heights, color="0.6", lw=0.8, zorder=0, drawstyle="steps-post")
    for k, (value, p) in enumerate(best, 1):
        axes.annotate(str(k), (value, p.accuracy), (-4, 4), textcoords="offset points", fontsize=7, ha="right")
    axes.grid(alpha=0.3)
    names = "\n".join(f"{k} {p.method}: {p.label}" for k, (_, p) in enumerate(best, 1))
    axes.text(1.32, 1.0, names, transform=axes.transAxes, fontsize=7, va="top")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0))


def rows(points: Sequence[Point]) -> list[dict[str, object]]:
    """Every point, and the plots in which it is on the front of its task."""
    best = {
        (name, id(p)) for name, (_, cost) in COSTS.items()
        for own in by_task(points, cost).values() for _, p in front(own, cost)
    }  # fmt: skip
    found = []
    for p in points:
        spread = f" ± {100 * p.spread:.1f}" if p.spread else ""
        row: dict[str, object] = {"task": p.task, "method": p.method, "network": p.label}
        row |= {"accuracy, %": f"{100 * p.accuracy:.1f}{spread}", "bits": f"{p.bits:,.0f}"}
        row["DSP x cycles"] = "" if p.dsp_cycles is None else f"{p.dsp_cycles:,.0f}"
        row["on the front of"] = ", ".join(n.replace("_", "-") for n in COSTS if (n, id(p)) in best)
        found.append(row)
    return found


def main() -> None:
    """Draw and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="for the other benches; nothing is measured here")
    parser.parse_args()
    points = read()
    for name in COSTS:
        plot(name, points)
    write(
        "compress_pareto",
        "# Compression: accuracy against bits and against DSP-cycles",
        f"`python bench/compress_pareto.py` with {versions('gatewright', 'matplotlib')}: what the benches "
        "`compress_*.py` left in `compress_points/` when they ran last.",
        "![accuracy against bits](compress_bits.svg)",
        "![accuracy against DSP-cycles](compress_dsp_cycles.svg)",
        "Accuracy on test data, mean ± standard deviation over seeds where there are several; differences within it "
        "say nothing, and a front of means has some luck in it. A DSP-cycle is a DSP block for a cycle: blocks of the "
        "whole design times cycles per sample. Bits of compiled networks are those of the hardware's stores, of the "
        "others the methods' own count: 8 bits per weight, codebooks and indices included, one more bit per weight to "
        "say which of them are not zero. What is more than "
        f"{100 * RANGE:.0f} points below the best of its task is only in the table. Networks of one task have the same "
        "test data, not the same training.",
        markdown(rows(points)),
    )


if __name__ == "__main__":
    main()
