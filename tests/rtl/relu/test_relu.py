# SPDX-License-Identifier: Apache-2.0
"""Bench of relu: exact, one bit narrower, one beat per cycle."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.relu import Relu


@pytest.mark.parametrize(("width", "lanes"), [(8, 2), (1, 6), (16, 3)])
def test_relu(width: int, lanes: int) -> None:
    check_module(
        Relu(), TensorType(Length("n", 100), 6, Fixed(width, 0)), folding=Folding(lanes=lanes), pace=(1, 6 // lanes)
    )
