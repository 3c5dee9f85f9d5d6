# SPDX-License-Identifier: Apache-2.0
"""Bench of pwl: tables of one and of several banks, equal to the operator, one beat per cycle, reloadable."""

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops._functions import Kind
from gatewright.ops.pwl import Pwl

S10 = Fixed(10, 6)
N = Length("n", 100)


def random_table(rng: np.random.Generator, x: Fixed, output: Fixed, segments: int) -> Pwl:
    """Lines whose widths do not depend on the draw."""
    knots = np.sort(rng.choice(np.arange(x.lo + 1, x.hi + 1), segments - 1, replace=False)).astype(np.int64)
    slopes, offsets = (rng.integers(-(1 << b), 1 << b, segments, dtype=np.int64) for b in (9, 13))
    slopes[:2], offsets[:2] = (-512, 511), (-(1 << 13), (1 << 13) - 20)
    return Pwl(Kind.GELU, knots, slopes, offsets, 5, output)


@pytest.mark.parametrize(
    ("x", "output", "segments", "lanes"),
    [(S10, Fixed(8, 4), 32, 2), (Fixed(5, 0, signed=False), Fixed(7, 0, signed=False), 7, 6), (S10, S10, 2, 1)],
    ids=["full", "odd", "two"],
)
def test_pwl(x: Fixed, output: Fixed, segments: int, lanes: int) -> None:
    rng = np.random.default_rng(segments)
    op, other = (random_table(rng, x, output, segments) for _ in range(2))
    check_module(op, TensorType(N, 6, x), folding=Folding(lanes=lanes), other=other, pace=(1, 6 // lanes))


def test_banks() -> None:
    """Tables of three functions with different shifts and numbers of segments, switched without a bubble."""
    ops = [
        Pwl.of(Kind.GELU, S10, Fixed(8, 4)),
        Pwl.of(Kind.SIGMOID, Fixed(10, 2), Fixed(8, 8), 8),
        Pwl(Kind.TANH, *(np.zeros(n, np.int64) for n in (0, 1, 1)), 0, Fixed(8, 4)),
    ]
    assert len({op.shift for op in ops}) == 3
    check_module(
        ops[0], TensorType(N, 4, S10), folding=Folding(lanes=2), banks=ops, lengths=(1, 1, 2, 1, 5, 3, 1), pace=(1, 2)
    )


def test_one_segment() -> None:
    line = Pwl(Kind.TANH, np.zeros(0, np.int64), np.array([3]), np.array([-5]), 1, S10)
    check_module(line, TensorType(N, 4, S10), folding=Folding(lanes=4), pace=(1, 1))
