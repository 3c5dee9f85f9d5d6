# SPDX-License-Identifier: Apache-2.0
"""Bench of add: equal to the operator for mixed signs and binary points, one beat per cycle."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.add import Add

N = Length("n", 100)


@pytest.mark.parametrize(
    ("a", "b", "output", "lanes"),
    [
        (Fixed(8, 4), Fixed(8, 4), Fixed(8, 4), 2),
        (Fixed(4, 0, signed=False), Fixed(11, 6), Fixed(6, 2), 4),
        (Fixed(3, 5), Fixed(1, 3, signed=False), Fixed(9, 8, signed=False), 1),
    ],
    ids=["equal", "narrowing", "widening"],
)
def test_add(a: Fixed, b: Fixed, output: Fixed, lanes: int) -> None:
    check_module(
        Add.of(a, b, output),
        TensorType(N, 4, a),
        TensorType(N, 4, b),
        folding=Folding(lanes=lanes),
        pace=(1, 4 // lanes),
    )
