# SPDX-License-Identifier: Apache-2.0
"""Bench of sparse_conv2d: window and sparse unit together equal golden."""

import numpy as np
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.ops.sparse_conv2d import SparseConv2d


def test_sparse_conv2d() -> None:
    """Padding and stride; a patch of 18 in beats of 6, of which each of three multipliers chooses from 2."""
    rng = np.random.default_rng(4)
    weight = rng.integers(-128, 128, (4, 4, 3, 3)) * (rng.random((4, 4, 3, 3)) < 0.3)
    bias, shift = rng.integers(-999, 999, 4), np.array([8, 9, 8, 10])
    op = SparseConv2d(
        weight, bias, shift, 8, Fixed(8, 4), height=5, width=6, stride=(2, 1), padding=(1, 0), reach=2, block=1
    )
    folding = Folding(lanes=2, simd=3, pe=2)
    check_module(op, TensorType(30, 4, Fixed(8, 4)), folding=folding, lengths=(30, 30))
