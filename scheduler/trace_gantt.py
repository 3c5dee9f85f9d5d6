# SPDX-License-Identifier: Apache-2.0
"""A schedule as a picture: blocks over time, one color per sequence, iterations as shades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gatewright.errors import DataError, ToolError
from gatewright.scheduler.trace import Schedule, Span

SUFFIXES = (".svg", ".png")
LEGEND_COLUMNS = 8
LEGEND_MOST = 32
"""Sequences that the legend names; the picture of a larger batch says how many there are."""


def draw(schedule: Schedule, path: Path, clock_mhz: float | None = None, title: str = "") -> Path:
    """Write a Gantt chart: one row per block with its utilisation, and below it the tokens in flight.

    Width changes and FIFOs in front of a block's inputs (`{block}.{input}`) have no row.

    A bar lasts from the first token taken to the last one gone; where bars of one block overlap (a block takes in the
    next sequence while the last results of one leave) they share the row. Later iterations are darker and numbered.

    Args:
        path: of an `.svg` or `.png` file.
        clock_mhz: time is shown in microseconds at this clock; in cycles without it.

    Raises:
        ToolError: matplotlib is not installed.
        DataError: another suffix.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}", f"suffix {path.suffix!r}", ", ".join(SUFFIXES))
    try:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise ToolError(
            "schedule.gantt", "matplotlib is not installed", hint="pip install 'gatewright[examples]'"
        ) from None
    scale = 1.0 if clock_mhz is None else 1 / clock_mhz
    rows = _rows(schedule)
    height = 1.6 + 0.34 * len(rows) + (0.9 if schedule.occupancy else 0)
    # A fixed salt, so that the same schedule gives the same file; SVG text stays text.
    with matplotlib.rc_context({"svg.hashsalt": "gatewright", "svg.fonttype": "none"}):
        figure = Figure(figsize=(13, height), layout="constrained")
        FigureCanvasAgg(figure)
        ratios = [0.34 * len(rows) + 0.3, 0.9] if schedule.occupancy else [1]
        axes = figure.subplots(len(ratios), 1, sharex=True, squeeze=False, height_ratios=ratios)[:, 0]
        _bars(axes[0], schedule, rows, scale)
        if schedule.occupancy:
            _occupancy(axes[1], schedule, scale)
        axes[-1].set_xlabel("cycles" if clock_mhz is None else f"microseconds at {clock_mhz:g} MHz")
        axes[-1].set_xlim(0, schedule.cycles * scale)
        axes[0].set_title(title or _title(schedule), fontsize=10)
        _legend(figure, schedule)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)
    return path


def color(sequence: int, iteration: int = 0, iterations: int = 1) -> tuple[float, float, float]:
    """Of a sequence: 20 distinct hues, then again; later iterations are darker."""
    from matplotlib import colormaps

    base = colormaps["tab20"].colors[sequence * 2 % 20 + sequence // 10 % 2]
    share = 0.45 * (1 - iteration / max(1, iterations - 1)) if iterations > 1 else 0.0
    dark = 0.75 if iterations > 1 else 1.0
    red, green, blue = (dark * c * (1 - share) + share for c in base)
    return red, green, blue


def _title(schedule: Schedule) -> str:
    count = len(schedule.visits)
    tokens = sum(schedule.lengths)
    return f"{count} sequences, {tokens:,} tokens, policy {schedule.policy}: {schedule.cycles:,} cycles"


def _tracks(spans: list[Span]) -> Iterator[tuple[Span, int]]:
    """Spans of a block with a track each such that those of one track do not overlap."""
    ends: list[int] = []
    for span in sorted(spans, key=lambda s: (s.start, s.end)):
        free = next((t for t, end in enumerate(ends) if end < span.start), len(ends))
        ends[free:] = [span.end, *ends[free + 1 :]]
        yield span, free


def _rows(schedule: Schedule) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = {name: [] for name in schedule.blocks}
    for span in schedule.spans:
        found[span.block].append(span)
    return {name: spans for name, spans in found.items() if name.rpartition(".")[0] not in found}


def _bars(axis: Any, schedule: Schedule, rows: Mapping[str, list[Span]], scale: float) -> None:
    from matplotlib.collections import PolyCollection

    corners, shades = [], []
    for row, spans in enumerate(rows.values()):
        placed, passes = list(_tracks(spans)), 1 + max((s.iteration for s in spans), default=0)
        size = 0.84 / (1 + max((track for _, track in placed), default=0))
        for span, track in placed:
            start, end = span.start * scale, (span.end + 1) * scale
            bottom = row - 0.42 + track * size
            corners.append([(start, bottom), (end, bottom), (end, bottom + size), (start, bottom + size)])
            shades.append(color(span.sequence, span.iteration, passes))
            if passes > 1 and end - start > 0.012 * schedule.cycles * scale and size > 0.25:
                middle = ((start + end) / 2, bottom + size / 2)
                axis.text(*middle, span.iteration + 1, ha="center", va="center", fontsize=5)
    # One collection for all: thousands of artists would take a minute.
    axis.add_collection(PolyCollection(corners, facecolors=shades, edgecolors="white", linewidths=0.3))
    share = schedule.utilisation
    axis.set_yticks(range(len(rows)), [f"{name}  {share[name]:4.0%}" for name in rows], fontsize=7)
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.grid(axis="x", alpha=0.3)


def _occupancy(axis: Any, schedule: Schedule, scale: float) -> None:
    time = [f.cycle * scale for f in schedule.occupancy]
    axis.step(time, [f.tokens for f in schedule.occupancy], where="post", linewidth=0.8, label="tokens")
    if schedule.slots is not None:
        axis.axhline(schedule.slots, color="gray", linestyle=":", linewidth=0.8)
    axis.set_ylabel("tokens\nin flight", fontsize=7)
    axis.tick_params(labelsize=7)
    axis.set_ylim(0)
    axis.grid(alpha=0.3)


def _legend(figure: Any, schedule: Schedule) -> None:
    from matplotlib.patches import Patch

    shown = schedule.visits[:LEGEND_MOST]
    names = [f"{v.sequence} ({v.tokens})" for v in shown]
    handles = [Patch(facecolor=color(v.sequence), label=name) for v, name in zip(shown, names, strict=True)]
    more = len(schedule.visits) - len(shown)
    title = "sequence (tokens)" + (f", and {more} more" if more else "")
    if schedule.iterations > 1:
        title += f"; numbers and shades: pass 1 to {schedule.iterations}"
    figure.legend(
        handles=handles, loc="outside lower center", ncols=LEGEND_COLUMNS, fontsize=7, title=title, title_fontsize=7
    )
