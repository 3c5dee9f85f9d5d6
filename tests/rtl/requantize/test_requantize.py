# SPDX-License-Identifier: Apache-2.0
"""Bench of requantize: rounds half up and saturates, one beat per cycle."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.requantize import Requantize


@pytest.mark.parametrize(
    ("x", "output"),
    [
        (Fixed(16, 8), Fixed(8, 4)),
        (Fixed(9, 3, signed=False), Fixed(4, 1)),
        (Fixed(6, 0), Fixed(10, 3, signed=False)),
    ],
    ids=["narrowing", "to_signed", "to_unsigned_left"],
)
def test_requantize(x: Fixed, output: Fixed) -> None:
    check_module(
        Requantize(x.frac - output.frac, output),
        TensorType(Length("n", 100), 4, x),
        folding=Folding(lanes=2),
        pace=(1, 2),
    )
