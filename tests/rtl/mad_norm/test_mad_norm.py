# SPDX-License-Identifier: Apache-2.0
"""Bench of mad_norm: equal to the operator, one beat per cycle, several banks of constants, reloadable."""

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.mad_norm import MadNorm

N = Length("n", 400)


def norm(rng: np.random.Generator, channels: int, output: Fixed, epsilon: int, shift: int) -> MadNorm:
    """Constants whose widths do not depend on the draw."""
    gamma = rng.integers(-900, 900, channels, dtype=np.int64)
    beta = rng.integers(-(1 << 26), 1 << 26, channels, dtype=np.int64)
    gamma[0], beta[:2] = -1024, (-(1 << 27), (1 << 27) - (1 << shift))
    return MadNorm(gamma, beta, epsilon, shift, output)


@pytest.mark.parametrize(
    ("x", "output", "channels", "lanes", "epsilon", "shift"),
    [
        (Fixed(16, 10), Fixed(16, 11), 24, 4, 9, 16),
        # Every beat a token, and so small a shift that every bit of z shows.
        (Fixed(5, 0, signed=False), Fixed(32, 20), 5, 5, 0, 2),
    ],
    ids=["wide", "one_beat"],
)
def test_mad_norm(x: Fixed, output: Fixed, channels: int, lanes: int, epsilon: int, shift: int) -> None:
    rng = np.random.default_rng(lanes)
    op, other = (norm(rng, channels, output, epsilon, shift) for _ in range(2))
    beats = channels // lanes
    check_module(op, TensorType(N, channels, x), folding=Folding(lanes=lanes), other=other, pace=(2, 2 * beats))


def test_banks() -> None:
    """Constants of three iterations with different shifts and epsilons, also for sequences of one token."""
    rng = np.random.default_rng(5)
    ops = [norm(rng, 12, Fixed(10, 4), epsilon, 14 + k) for k, epsilon in enumerate((0, 77, 5000))]
    check_module(
        ops[0],
        TensorType(N, 12, Fixed(12, 5)),
        folding=Folding(lanes=6),
        banks=ops,
        lengths=(1, 1, 2, 1, 1, 1, 5, 3, 1),
        pace=(1, 2),
    )
