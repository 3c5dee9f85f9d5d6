# SPDX-License-Identifier: Apache-2.0
"""Recurrent operators for tests, with integers drawn at random."""

from __future__ import annotations

import dataclasses

import numpy as np

from gatewright.fixed import Fixed
from gatewright.ops._recurrent import Cell
from gatewright.ops.recurrent import Recurrent, tables_of

X = Fixed(9, 5)
"""Format of the input."""


def recurrent(cell: Cell, size: int, seed: int = 0, **changed: object) -> Recurrent:
    """8-bit weights whose sums use most of the gates' range, two shifts among the rows."""
    rng = np.random.default_rng(seed)
    rows = cell.gates * size
    weight = rng.integers(-127, 128, (rows, size), dtype=np.int64)
    bias = rng.integers(-(1 << 12), 1 << 12, rows, dtype=np.int64)
    shift = 8 + rng.integers(0, 2, rows, dtype=np.int64)
    gate, argument, state = Fixed(8, 4), Fixed(8, 5), Fixed(14, 11)
    output = Fixed(8, 7)
    tables = tables_of(cell, gate, argument, Fixed(9, 8))
    op = Recurrent(
        cell, weight, bias, shift, 8, gate, X.frac - gate.frac, argument, state, output, *tables
    )  # fmt: skip
    return dataclasses.replace(op, **changed)  # type: ignore[arg-type]


def reversed_rows(op: Recurrent) -> Recurrent:
    """Other constants for the same hardware."""
    return dataclasses.replace(op, weight=op.weight[::-1], bias=op.bias[::-1], shift=op.shift[::-1])
