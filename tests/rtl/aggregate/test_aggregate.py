# SPDX-License-Identifier: Apache-2.0
"""Bench of aggregate: graphs of all kinds, nodes without edges, a smaller graph loaded over a larger one."""

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.ops.aggregate import Aggregate


def graph(rng: np.random.Generator, counts: list[int], width: int, shift: int, output: Fixed) -> Aggregate:
    """Edges with random sources; `counts` of them end at each node."""
    starts, top = np.concatenate([[0], np.cumsum(counts)]), 1 << (width - 1)
    coefficients = rng.integers(-top, top, starts[-1])
    coefficients[:1] = -top
    return Aggregate(starts, rng.integers(0, len(counts), starts[-1]), coefficients, width, shift, output)


@pytest.mark.parametrize(
    ("x", "output", "channels", "lanes", "counts", "other"),
    [
        # The first and the last node have no edges; the other graph has fewer rows.
        (Fixed(8, 4), Fixed(8, 3), 6, 2, [0, 3, 1, 0, 4, 2, 0], [1, 1, 0, 0, 1, 4, 1]),
        (Fixed(5, 0, signed=False), Fixed(9, 0, signed=False), 4, 4, [2, 5], [1, 1]),
        # So few rows that a memory of tokens is free before all of the last graph's have been read.
        (Fixed(6, 0), Fixed(12, 2), 1, 1, [0], [0]),
    ],
    ids=["beats", "unsigned", "one_row"],
)
def test_aggregate(x: Fixed, output: Fixed, channels: int, lanes: int, counts: list[int], other: list[int]) -> None:
    rng = np.random.default_rng(lanes)
    op = graph(rng, counts, 7, 4, output)
    second = graph(rng, other, 7, 4, output)
    nodes = len(counts)
    check_module(
        op,
        TensorType(nodes, channels, x),
        folding=Folding(lanes=lanes),
        lengths=(nodes,) * 5,
        other=op.on(second.starts, second.sources, second.coefficients),
    )
