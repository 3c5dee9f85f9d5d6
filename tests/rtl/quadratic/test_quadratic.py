# SPDX-License-Identifier: Apache-2.0
"""Bench of quadratic: one polynomial per channel, equal to the operator, one beat per cycle, reloadable."""

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.quadratic import Quadratic


@pytest.mark.parametrize(
    ("x", "output", "shift", "lanes"),
    [
        (Fixed(8, 4), Fixed(8, 4), 14, 2),
        (Fixed(5, 0, signed=False), Fixed(7, 0, signed=False), 3, 6),
        (Fixed(3, 0), Fixed(16, 0), -1, 1),
    ],
    ids=["signed", "unsigned", "left"],
)
def test_quadratic(x: Fixed, output: Fixed, shift: int, lanes: int) -> None:
    rng = np.random.default_rng(lanes)
    square, slope, constant = (rng.integers(-(1 << b), 1 << b, 6, dtype=np.int64) for b in (7, 10, 14))
    # Both ends of every range, so that any order of the channels has the same formats.
    for row in (square, slope, constant):
        row[:2] = row.min() - 1, row.max() + 1
    op = Quadratic(square, slope, constant, shift, output)
    other = Quadratic(square[::-1].copy(), slope[::-1].copy(), constant[::-1].copy(), shift, output)
    check_module(
        op, TensorType(Length("n", 100), 6, x), folding=Folding(lanes=lanes), other=other, pace=(1, 6 // lanes)
    )
