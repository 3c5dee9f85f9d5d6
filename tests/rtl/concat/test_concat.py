# SPDX-License-Identifier: Apache-2.0
"""Bench of concat: token by token, whole channels of one input behind those of the other."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.concat import Concat

N = Length("n", 100)


@pytest.mark.parametrize(("first", "second", "lanes"), [(4, 6, 2), (1, 1, 1), (3, 9, 3)])
def test_concat(first: int, second: int, lanes: int) -> None:
    x = Fixed(5, 2)
    check_module(
        Concat(),
        TensorType(N, first, x),
        TensorType(N, second, x),
        folding=Folding(lanes=lanes),
        pace=(1, (first + second) // lanes),
    )
