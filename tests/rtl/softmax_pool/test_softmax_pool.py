# SPDX-License-Identifier: Apache-2.0
"""Bench of softmax_pool: parts of a head or several heads per beat, sequences of every length back to back."""

import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.softmax_pool import SoftmaxPool

N = Length("n", 9)
CASES = {  # scores, values, output, lanes
    "parts": (TensorType(N, 2, Fixed(8, 4)), TensorType(N, 12, Fixed(8, 5)), Fixed(8, 5), 2),
    "heads": (TensorType(N, 4, Fixed(6, 2, signed=False)), TensorType(N, 8, Fixed(5, 1, signed=False)), Fixed(9, 7), 4),
}


@pytest.mark.parametrize("name", CASES)
def test_softmax_pool(name: str) -> None:
    scores, values, output, lanes = CASES[name]
    op = SoftmaxPool.of(scores, values, output)
    check_module(op, scores, values, folding=Folding(lanes=lanes), lengths=(1, 9, 1, 1, 2, 9, 5, 1, 3))
