# SPDX-License-Identifier: Apache-2.0
"""Bench of embedding: every token number of the format, with and without positions, reloadable."""

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.embedding import Embedding, id_width


def random_tables(rng: np.random.Generator, rows: int, positions: int, channels: int, output: Fixed) -> Embedding:
    """Tables whose widths do not depend on the draw."""
    tables = [rng.integers(-(1 << b), 1 << b, (n, channels), dtype=np.int64) for b, n in ((7, rows), (9, positions))]
    for table, bits in zip(tables, (7, 9), strict=True):
        table[:1] = -(1 << bits)
    return Embedding(*tables, 2, 1, output)


@pytest.mark.parametrize(
    ("rows", "positions", "channels", "lanes", "output"),
    [
        (21, 40, 6, 2, Fixed(10, 3)),
        (8, 0, 4, 4, Fixed(8, 2, signed=False)),
        (1, 37, 3, 1, Fixed(12, 3)),
    ],
    ids=["clamped", "no_positions", "one_row"],
)
def test_embedding(rows: int, positions: int, channels: int, lanes: int, output: Fixed) -> None:
    rng = np.random.default_rng(rows)
    op, other = (random_tables(rng, rows, positions, channels, output) for _ in range(2))
    kind = TensorType(Length("n", 36), 1, Fixed(id_width(rows), 0, signed=False))
    beats = channels // lanes
    check_module(op, kind, folding=Folding(pe=lanes), lengths=(1, 36, 2, 1, 9), other=other, pace=(2, 2 * beats))
