# SPDX-License-Identifier: Apache-2.0
"""Accuracy against bits, and against DSP-cycles, of what all compression benches have left behind.

Run it after the other benches: python bench/compress_pareto.py; writes results/compress_pareto.md, compress_bits.svg
and compress_dsp_cycles.svg. Nothing is measured here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
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
MARKS, DENSE = "s^vDPX<>*hp", "dense"
DIGITS = ".2e"
"""Costs that are equal to so many digits are equal."""
PLACES = tuple((x * r, y * r) for r in (1, 1.7, 2.4) for x, y in ((-6, 6), (6, 6), (0, 8), (6, -7), (-6, -7), (0, -9)))
SIZE, MARK = (11, 8), (6, 6)
"""Where the number of a point may stand, best first, how wide and high one is, and how far from a mark it has to be,
in typographic points."""
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
    height = 3.6 * len(tasks)
    figure, panels = plt.subplots(len(tasks), 1, figsize=(13, height), squeeze=False)
    figure.subplots_adjust(left=0.06, right=0.6, bottom=0.6 / height, top=1 - 0.4 / height, hspace=0.4)
    for axes, (task, own) in zip(panels.flat, tasks.items(), strict=True):
        axes.set(title=task, xlabel=title, ylabel="accuracy, %")
        draw(axes, own, cost, styles(points))
    figure.savefig(RESULTS / f"compress_{name}.svg", metadata={"Date": None})
    plt.close(figure)


def styles(points: Sequence[Point]) -> dict[str, dict[str, Any]]:
    """Colour and mark of every method, the same in all panels; no two have both alike."""
    methods = sorted({p.method for p in points} - {DENSE})
    found = dict(zip(methods, zip(cycle(matplotlib.colormaps["tab10"].colors), cycle(MARKS)), strict=False))
    return {m: {"color": c, "fmt": f} for m, (c, f) in {**found, DENSE: ("black", "o")}.items()}


def draw(axes: Any, points: Sequence[Point], cost: Cost, look: Mapping[str, Mapping[str, Any]]) -> None:
    """Points of one task by method, with their spread over seeds."""
    least = max(p.accuracy for p in points) - RANGE
    every = costs([p for p in points if p.accuracy >= least], cost)
    for method in dict.fromkeys(p.method for p in points):
        own = [(value, p) for value, p in every if p.method == method]
        axes.errorbar(
            [value for value, _ in own],
            [100 * p.accuracy for _, p in own],
            yerr=[100 * p.spread for _, p in own],
            ms=4, lw=0, elinewidth=0.6, label=method, **look[method],
        )  # fmt: skip
    best = [(value, p) for value, p in front(points, cost) if p.accuracy >= least]
    values, heights = [v for v, _ in best], [100 * p.accuracy for _, p in best]
    axes.plot(values, heights, color="0.6", lw=0.8, zorder=0, drawstyle="steps-post")
    scale(axes, [value for value, _ in every])
    axes.margins(x=0.06, y=0.12)
    axes.autoscale_view()
    axes.grid(alpha=0.3)
    number(axes, list(zip(values, heights, strict=True)), [(value, 100 * p.accuracy) for value, p in every])
    legend = axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0))
    axes.figure.draw_without_rendering()
    right = axes.transAxes.inverted().transform(legend.get_window_extent())[1][0]
    names = "\n".join(f"{k} {named(p)}" for k, (_, p) in enumerate(best, 1))
    axes.text(right + 0.02, 0.99, names, transform=axes.transAxes, fontsize=7, va="top")


def named(point: Point) -> str:
    """Method and label, where the label does not say the method."""
    return point.label if point.label.startswith(point.method) else f"{point.method}: {point.label}"


def scale(axes: Any, values: Sequence[float]) -> None:
    """Logarithmic; where something costs nothing, with a stretch down to zero at the left."""
    if min(values) > 0:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=min(v for v in values if v), linscale=0.2)


def number(axes: Any, best: Sequence[tuple[float, float]], every: Sequence[tuple[float, float]]) -> None:
    """Number the points of the front, each beside its point where it hides no other number and no mark."""
    scaled = 72 / axes.figure.dpi
    marks = axes.transData.transform(every) * scaled
    taken: list[Any] = []

    def hidden(at: Any) -> float:
        return 9 * sum(_near(at, t, SIZE) for t in taken) + sum(_near(at, m, MARK) for m in marks)

    for k, point in enumerate(best, 1):
        here = axes.transData.transform(point) * scaled
        place = min(PLACES, key=lambda d: hidden(here + d))
        taken.append(here + place)
        axes.annotate(str(k), point, place, textcoords="offset points", fontsize=7, ha="center", va="center")


def _near(one: Any, other: Any, size: tuple[float, float]) -> bool:
    return bool((abs(one - other) < size).all())


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
        "whole design times cycles per sample. Products with weights of 2 and 3 bits are made in look-up tables, so "
        "that a network may have none; what it costs instead is on the page of its method. Bits of compiled networks "
        "are those of the hardware's stores, of the others the methods' own count: 8 bits per weight, codebooks and "
        "indices included, one more bit per weight to say which of them are not zero. What is more than "
        f"{100 * RANGE:.0f} points below the best of its task is only in the table. Networks of one task have the same "
        "test data, not the same training.",
        markdown(rows(points)),
    )


if __name__ == "__main__":
    main()
