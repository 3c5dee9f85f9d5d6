# SPDX-License-Identifier: Apache-2.0
"""Bench of multiply: equal to the operator for mixed signs and binary points, one beat per cycle."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.multiply import Multiply

N = Length("n", 100)


@pytest.mark.parametrize(
    ("a", "b", "output", "lanes"),
    [
        (Fixed(8, 4), Fixed(9, 9, signed=False), Fixed(8, 4), 2),
        (Fixed(3, 5, signed=False), Fixed(5, 3, signed=False), Fixed(14, 12), 4),
    ],
    ids=["gate", "unsigned"],
)
def test_multiply(a: Fixed, b: Fixed, output: Fixed, lanes: int) -> None:
    check_module(
        Multiply.of(a, b, output),
        TensorType(N, 4, a),
        TensorType(N, 4, b),
        folding=Folding(lanes=lanes),
        pace=(1, 4 // lanes),
    )
