# SPDX-License-Identifier: Apache-2.0
"""Bench of average_pool: exact division by 4, the reciprocals of 6 and 3, padding that counts."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.average_pool import AveragePool

S8, U4, S5 = Fixed(8, 4), Fixed(4, 1, signed=False), Fixed(5, 0)
N = Length("n", 19)
CASES = {
    "halve": (AveragePool((2, 2), (2, 2), (0, 0), 0, S8, 6, 8), TensorType(48, 6, S8), 3),
    "six": (AveragePool((3, 2), (1, 2), (1, 1), -2, Fixed(9, 6), 5, 4), TensorType(20, 2, S8), 1),
    "sequence": (AveragePool((3,), (2,), (1, 2), 1, Fixed(3, 0, signed=False)), TensorType(N, 4, U4), 2),
    "saturates": (AveragePool((1,), (1,), (0,), -3, Fixed(4, 3)), TensorType(N, 3, S5), 3),
}


@pytest.mark.parametrize("name", CASES)
def test_average_pool(name: str) -> None:
    op, x, lanes = CASES[name]
    lengths = (x.tokens,) * 5 if isinstance(x.tokens, int) else (1, 19, 1, 1, 2, 13, 8)
    check_module(op, x, folding=Folding(lanes=lanes), lengths=lengths)
