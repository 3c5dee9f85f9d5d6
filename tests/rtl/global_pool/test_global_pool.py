# SPDX-License-Identifier: Apache-2.0
"""Bench of global_pool: one token per sequence, of fixed and of run-time length."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.global_pool import GlobalPool, Kind

S8, U4 = Fixed(8, 4), Fixed(4, 1, signed=False)
N = Length("n", 19)
CASES = {
    "max": (GlobalPool(Kind.MAX, 19, 0, S8), TensorType(N, 6, S8), 2),
    "max_unsigned": (GlobalPool(Kind.MAX, 19, 0, U4), TensorType(N, 3, U4), 3),
    "mean": (GlobalPool(Kind.AVERAGE, 19, 0, S8), TensorType(N, 6, S8), 1),
    "image": (GlobalPool(Kind.AVERAGE, 49, 2, Fixed(7, -1)), TensorType(49, 4, Fixed(9, 1)), 4),
    "single": (GlobalPool(Kind.AVERAGE, 1, -2, S8), TensorType(1, 4, Fixed(7, 2, signed=False)), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_global_pool(name: str) -> None:
    op, x, lanes = CASES[name]
    lengths = (x.tokens,) * 5 if isinstance(x.tokens, int) else (1, 19, 1, 1, 2, 13, 8)
    check_module(op, x, folding=Folding(lanes=lanes), lengths=lengths)
