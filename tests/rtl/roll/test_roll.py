# SPDX-License-Identifier: Apache-2.0
"""Bench of roll: equal to the operator, also on sequences of one token more than the shift."""

from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.roll import Roll


def test_roll() -> None:
    kind = TensorType(Length("n", 100, 4), 6, Fixed(5, 2))
    check_module(Roll(3), kind, folding=Folding(lanes=3), lengths=(4, 5, 4, 9, 6), pace=(1, 2))
