# SPDX-License-Identifier: Apache-2.0
"""Bench of recurrent: equal to the operator for any sequences, at exactly the promised interval, reloadable."""

import pytest
from ops.recurrent_cases import X, recurrent, reversed_rows
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops import _recurrent_rtl
from gatewright.ops._recurrent import Cell


@pytest.mark.parametrize(
    ("cell", "size", "folding", "changed"),
    [
        # Several blocks per token, pairs of weights in a multiplier, wide beats cut into words.
        (Cell.LSTM, 8, Folding(simd=2, pe=4), {}),
        # One unit per beat gathered into words; a state coarser than the gates; only the last result.
        (Cell.GRU, 6, Folding(simd=3, pe=1), {"final": True, "state": Fixed(9, 6)}),
    ],
    ids=["lstm", "gru"],
)
def test_recurrent(cell: Cell, size: int, folding: Folding, changed: dict[str, object]) -> None:
    op = recurrent(cell, size, **changed)
    other = reversed_rows(op)
    pace = None if op.final else (1, _recurrent_rtl.step(op, folding)[0])
    check_module(op, TensorType(Length("n", 100), len(op.weight), X), folding=folding, other=other, pace=pace)
