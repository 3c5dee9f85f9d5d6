# SPDX-License-Identifier: Apache-2.0
"""Bench of max_pool: the largest of every window, over images and sequences; padding never wins."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.max_pool import MaxPool

S8, U4, S5, S1 = Fixed(8, 4), Fixed(4, 1, signed=False), Fixed(5, 0), Fixed(1, 0)
N = Length("n", 19)
CASES = {
    "halve": (MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 6, 8), TensorType(48, 6, S8), 3),
    "overlap": (MaxPool((3, 2), (1, 2), (1, 0, 1, 1), (1, 1), 5, 4), TensorType(20, 2, S5), 1),
    "sequence": (MaxPool((3,), (2,), (1,), (1,)), TensorType(N, 4, S8), 2),
    "unsigned": (MaxPool((2,), (1,), (0, 1), (1,)), TensorType(N, 3, U4), 3),
    "single_bit": (MaxPool((5, 1), (1, 1), (2, 0), (1, 1), 4, 1), TensorType(4, 1, S1), 1),
}


@pytest.mark.parametrize("name", CASES)
def test_max_pool(name: str) -> None:
    op, x, lanes = CASES[name]
    lengths = (x.tokens,) * 5 if isinstance(x.tokens, int) else (1, 19, 1, 1, 2, 13, 8)
    check_module(op, x, folding=Folding(lanes=lanes), lengths=lengths)
