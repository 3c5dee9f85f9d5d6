# SPDX-License-Identifier: Apache-2.0
"""Bench of layer_norm: equal to the operator, one beat per cycle, several banks of constants, reloadable."""

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.layer_norm import LayerNorm

N = Length("n", 400)


def norm(rng: np.random.Generator, channels: int, output: Fixed, epsilon: int, shift: int, centred: bool) -> LayerNorm:
    """Constants whose widths do not depend on the draw."""
    gamma = rng.integers(-900, 900, channels, dtype=np.int64)
    beta = rng.integers(-(1 << 26), 1 << 26, channels, dtype=np.int64)
    gamma[0], beta[:2] = -1024, (-(1 << 27), (1 << 27) - (1 << shift))
    return LayerNorm(gamma, beta, epsilon, shift, output, centred)


@pytest.mark.parametrize(
    ("x", "output", "channels", "lanes", "epsilon", "shift", "centred"),
    [
        (Fixed(16, 10), Fixed(16, 11), 24, 4, 9, 16, True),
        (Fixed(5, 0, signed=False), Fixed(8, 3, signed=False), 6, 1, 0, 16, True),
        (Fixed(9, 4), Fixed(9, 5), 6, 6, 1000, 16, False),
        # With so small a shift every bit of z shows.
        (Fixed(17, 4), Fixed(32, 24), 20, 10, 0, 2, True),
    ],
    ids=["wide", "unsigned", "root_mean_square", "two_beats"],
)
def test_layer_norm(
    x: Fixed, output: Fixed, channels: int, lanes: int, epsilon: int, shift: int, centred: bool
) -> None:
    rng = np.random.default_rng(lanes)
    op, other = (norm(rng, channels, output, epsilon, shift, centred) for _ in range(2))
    beats = channels // lanes
    check_module(op, TensorType(N, channels, x), folding=Folding(lanes=lanes), other=other, pace=(2, 2 * beats))


def test_banks() -> None:
    """Constants of three iterations with different shifts and epsilons, also for sequences of one token."""
    rng = np.random.default_rng(5)
    ops = [norm(rng, 12, Fixed(10, 4), epsilon, 14 + k, True) for k, epsilon in enumerate((0, 77, 5000))]
    check_module(
        ops[0],
        TensorType(N, 12, Fixed(12, 5)),
        folding=Folding(lanes=4),
        banks=ops,
        lengths=(1, 1, 2, 1, 1, 1, 5, 3, 1),
        pace=(1, 3),
    )
