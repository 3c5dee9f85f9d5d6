# SPDX-License-Identifier: Apache-2.0
"""Bench of upsample: copies and blocks of tokens, a row read several times, sequences back to back."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.ops.upsample import Upsample

CASES = {
    "blocks of rows": (Upsample((2, 3), True, 3, 4), TensorType(12, 12, Fixed(5, 0)), 1),
    "copies of rows": (Upsample((3, 2), False, 2, 5), TensorType(10, 6, Fixed(8, 4)), 2),
    "blocks of a sequence": (Upsample((1, 2), True, 1, 6), TensorType(6, 8, Fixed(1, 0)), 4),
}


@pytest.mark.parametrize("name", CASES)
def test_upsample(name: str) -> None:
    op, x, lanes = CASES[name]
    assert isinstance(x.tokens, int)
    check_module(op, x, folding=Folding(lanes=lanes), lengths=(x.tokens,) * 5)
