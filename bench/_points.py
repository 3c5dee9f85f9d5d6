# SPDX-License-Identifier: Apache-2.0
"""What every compression bench leaves for the Pareto plots: results/compress_points/<bench>.json."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from _table import RESULTS

FOLDER = RESULTS / "compress_points"
MNIST, DIGITS, MOVIE = "MNIST subset", "digits", "movie snippets"
"""Tasks that several benches share: networks on the same test data stand in one plot."""
WEIGHT = 8
"""Bits of a weight where nothing else is said."""


@dataclass(frozen=True)
class Point:
    """One compressed network.

    Attributes:
        task: data that the accuracy is of; points of one task are compared with each other.
        method: compression method, or "dense" for what it starts from.
        label: network and setting, short.
        accuracy: share of right answers, 0 to 1; the mean over seeds.
        spread: its standard deviation over seeds; 0 where there is one.
        bits: of the weights as stored, with codebooks and indices.
        dsp_cycles: DSP blocks times cycles per sample; None for networks that were not compiled.
    """

    task: str
    method: str
    label: str
    accuracy: float
    spread: float
    bits: float
    dsp_cycles: float | None = None


def write(bench: str, points: Sequence[Point]) -> None:
    """Write the points of a bench, in place of those that it left before.

    Args:
        bench: name of its page, e.g. "compress_dkm".
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(asdict(p)) for p in points)
    (FOLDER / f"{bench}.json").write_text(f"[\n{lines}\n]\n")


def read() -> list[Point]:
    """Points of all benches, by the name of the bench."""
    return [Point(**one) for path in sorted(FOLDER.glob("*.json")) for one in json.loads(path.read_text())]


def zeros_bits(weights: float, kept: float) -> float:
    """Bits of weights of which few are kept, with a bit per weight that says which; what no hardware has stored."""
    return WEIGHT * kept + weights
