# SPDX-License-Identifier: Apache-2.0
"""Bench of conv1d: sequences of any length equal golden."""

from typing import Any

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.conv1d import Conv1d

S8, U4 = Fixed(8, 4), Fixed(4, 1, signed=False)


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
    "same": (Conv1d(**weights(4, 3, 3), padding=(1,)), S8, Folding(lanes=3, simd=9, pe=4), 1),
    # the final position is known only after the sequence has ended
    "strided": (Conv1d(**weights(2, 4, 2, x=U4), stride=(3,), dilation=(2,)), U4, Folding(lanes=2, simd=4, pe=1), 3),
    "causal_groups": (
        Conv1d(**weights(4, 2, 3, width=3), groups=2, padding=(4, 0), dilation=(2,)),
        S8,
        Folding(lanes=1, simd=6, pe=2),
        1,
    ),
    "circular": (
        Conv1d(**weights(3, 2, 4), padding=(2, 1), stride=(2,), circular=True),
        S8,
        Folding(lanes=1, simd=4, pe=3),
        2,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_conv1d(name: str) -> None:
    op, x, folding, least = CASES[name]
    kind = TensorType(Length("n", 23, least), op.inner * op.groups, x)
    check_module(op, kind, folding=folding, lengths=(least, 23, least, least, least + 1, 17, 8))
