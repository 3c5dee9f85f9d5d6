# SPDX-License-Identifier: Apache-2.0
"""Bench of conv2d: padding, stride, dilation, groups and foldings equal golden."""

from typing import Any

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.ops.conv2d import Conv2d

S8, U4, S5 = Fixed(8, 4), Fixed(4, 1, signed=False), Fixed(5, 0)


def weights(outs: int, *shape: int, x: Fixed = S8, width: int = 8, output: Fixed = S8) -> dict[str, Any]:
    """Random constants whose sums use the range of the output."""
    rng = np.random.default_rng(outs + sum(shape))
    top = 1 << (width - 1)
    spread = max(0, x.width + width - output.width)
    return {
        "weight": rng.integers(-top, top, (outs, *shape), dtype=np.int64),
        "bias": rng.integers(-top, top, outs, dtype=np.int64) << (x.width // 2),
        "shift": rng.integers(spread, spread + 3, outs, dtype=np.int64),
        "weight_width": width,
        "output": output,
    }


CASES = {
    "plain": (Conv2d(**weights(4, 2, 3, 3), height=6, width=7), S8, Folding(lanes=2, simd=18, pe=2)),
    # unequal everything, circular, several window chunks per matrix beat
    "circular": (
        Conv2d(
            **weights(3, 4, 2, 3, x=U4),
            height=5,
            width=6,
            stride=(2, 1),
            padding=(1, 2),
            dilation=(2, 2),
            circular=True,
        ),
        U4,
        Folding(lanes=1, simd=12, pe=3),
    ),
    "depthwise": (
        Conv2d(**weights(6, 1, 3, 3, width=4), height=5, width=5, groups=6, padding=(0, 1, 2, 1)),
        S8,
        Folding(lanes=1, simd=3, pe=1),
    ),
    # a kernel that is mostly on padding; two positions share the weights
    "strided": (
        Conv2d(**weights(4, 2, 5, 4, width=1, output=S5), height=3, width=4, stride=(3, 2), padding=(3, 3)),
        S8,
        Folding(lanes=1, simd=10, pe=1, tokens=2),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_conv2d(name: str) -> None:
    op, x, folding = CASES[name]
    tokens = op.height * op.width
    check_module(op, TensorType(tokens, op.inner * op.groups, x), folding=folding, lengths=(tokens,) * 4)
