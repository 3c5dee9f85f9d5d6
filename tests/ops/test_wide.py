# SPDX-License-Identifier: Apache-2.0
"""Sums beyond what float64 holds: golden stays exact, and what int64 cannot hold is refused."""

import numpy as np
import pytest

from gatewright.errors import GraphError
from gatewright.fixed import Fixed
from gatewright.graph import TensorType
from gatewright.ops.linear import Linear


def test_golden_is_exact_beyond_53_bits() -> None:
    """A raw accumulator feeds the next layer: its values are wider than any activation."""
    op = Linear(np.full((1, 7), 32767), np.zeros(1, np.int64), np.zeros(1, np.int64), 16, Fixed(60, 0))
    x = np.full((1, 7), (1 << 39) - 1)
    assert op.infer(TensorType(1, 7, Fixed(40, 0))).fixed.width == 60
    assert int(op.evaluate(x)[0, 0]) == 7 * 32767 * ((1 << 39) - 1)


def test_more_than_62_bits_are_refused() -> None:
    op = Linear(np.full((1, 64), 32767), np.zeros(1, np.int64), np.zeros(1, np.int64), 16, Fixed(16, 0))
    with pytest.raises(GraphError, match=r"at most 62 bits[\s\S]*narrower weights"):
        op.infer(TensorType(1, 64, Fixed(44, 0)))
