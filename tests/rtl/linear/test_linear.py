# SPDX-License-Identifier: Apache-2.0
"""Bench of linear: equals the operator for every folding, in (IN/SIMD)*(OUT/PE) cycles per group."""

from dataclasses import replace

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.linear import Linear

N = Length("n", 200)
S8 = Fixed(8, 4)


def operator(
    rng: np.random.Generator, ins: int, outs: int, x: Fixed, groups: int = 1, weight_width: int = 8, output: Fixed = S8
) -> Linear:
    """Random constants, the first output's weights all lowest; sums fill the output, some saturate."""
    top = 1 << (weight_width - 1)
    weight = rng.integers(-top, top, (outs, ins // groups), dtype=np.int64)
    weight[0] = -top
    bias = rng.integers(-(top << 6), top << 6, outs, dtype=np.int64)
    shift = rng.integers(0, 3, outs, dtype=np.int64) + weight_width + x.width - output.width - 1
    shift[:2] = shift.min(), shift.min() + 3
    return Linear(weight, bias, shift, weight_width, output, groups)


def clustered(rng: np.random.Generator, op: Linear, entries: int, length: int, coded: bool = True) -> Linear:
    """The same with weights of a random codebook."""
    top = 1 << (op.weight_width - 1)
    codebook = rng.integers(-top, top, (entries, length), dtype=np.int64)
    codebook[0] = -top
    outs, ins = op.weight.shape
    weight = codebook[rng.integers(0, entries, (outs // length, ins))].transpose(0, 2, 1).reshape(outs, ins)
    return replace(op, weight=weight, codebook=codebook, coded=coded)


def rearranged(op: Linear) -> Linear:
    """The same operator with its outputs in reverse order: other constants, same formats."""
    weight, bias, shift = (a[::-1].copy() for a in (op.weight, op.bias, op.shift))
    return Linear(weight, bias, shift, op.weight_width, op.output, op.groups)


@pytest.mark.parametrize(
    ("ins", "outs", "groups", "folding", "x"),
    [
        (16, 8, 1, Folding(simd=4, pe=2), Fixed(8, 4)),
        (16, 8, 1, Folding(simd=4, pe=2, tokens=4), Fixed(8, 4, signed=False)),
        (6, 3, 1, Folding(simd=6, pe=3), Fixed(5, 0)),
        (12, 6, 3, Folding(simd=2, pe=1), Fixed(8, 4)),
    ],
    ids=["pairs", "four_tokens", "unfolded", "groups"],
)
def test_linear(ins: int, outs: int, groups: int, folding: Folding, x: Fixed) -> None:
    op = operator(np.random.default_rng(ins), ins, outs, x, groups)
    interval = groups * (ins // groups // folding.simd) * (outs // groups // folding.pe)
    check_module(op, TensorType(N, ins, x), folding=folding, other=rearranged(op), pace=(folding.tokens, interval))


def test_linear_plain() -> None:
    """The accumulator is the output: one store, no rescaling."""
    x = Fixed(8, 4)
    weight = np.random.default_rng(0).integers(-128, 128, (4, 8), dtype=np.int64)
    nothing = np.zeros(4, np.int64)
    matrix = Linear(weight, nothing, nothing, 8, Fixed(20, 4)).matrix(x)
    op = Linear(weight, nothing, nothing, 8, matrix.accumulator)
    assert op.matrix(x).plain
    check_module(op, TensorType(N, 8, x), folding=Folding(simd=2, pe=4), pace=(1, 4))


@pytest.mark.parametrize("folding", [Folding(simd=4, pe=2), Folding(simd=4, pe=2, tokens=2), Folding(simd=16, pe=4)])
def test_linear_banked(folding: Folding) -> None:
    """Three sets of weights, biases and shifts of different binary points; every sequence uses its own."""
    x, rng = Fixed(8, 4), np.random.default_rng(3)
    ops = [operator(rng, 16, 4, x, output=Fixed(8, frac)) for frac in (4, 6, 1)]
    ops[1] = Linear(ops[1].weight, ops[1].bias, ops[1].shift + 2, 8, ops[1].output)
    interval = (16 // folding.simd) * (4 // folding.pe)
    check_module(
        ops[0],
        TensorType(N, 16, x),
        folding=folding,
        banks=ops,
        lengths=(1, 2, 1, 5, 1, 1, 4, 9, 2),
        pace=(folding.tokens, interval),
    )


@pytest.mark.parametrize(
    ("folding", "entries", "length"),
    [(Folding(simd=4, pe=2, tokens=2), 16, 1), (Folding(simd=16, pe=8), 5, 4)],
    ids=["pairs", "vectors"],
)
def test_linear_codebook(folding: Folding, entries: int, length: int) -> None:
    """Indices instead of weights, another codebook loaded over the first one, at the same pace."""
    rng, x = np.random.default_rng(entries), Fixed(8, 4, signed=False)
    op, other = (clustered(rng, operator(rng, 16, 8, x), entries, length) for _ in range(2))
    interval = (16 // folding.simd) * (8 // folding.pe)
    assert "CodeBits" in op.rtl(folding, TensorType(N, 16, x)).parameters
    check_module(op, TensorType(N, 16, x), folding=folding, other=other, pace=(folding.tokens, interval))


@pytest.mark.parametrize("folding", [Folding(simd=4, pe=2), Folding(simd=16, pe=4)])
def test_linear_banked_codebooks(folding: Folding) -> None:
    """Every iteration of a loop has its own codebook."""
    x, rng = Fixed(8, 4), np.random.default_rng(3)
    ops = [clustered(rng, operator(rng, 16, 4, x), 4, 2) for _ in range(3)]
    interval = (16 // folding.simd) * (4 // folding.pe)
    check_module(
        ops[0],
        TensorType(N, 16, x),
        folding=folding,
        banks=ops,
        lengths=(1, 2, 1, 5, 1, 1, 4, 9, 2),
        pace=(1, interval),
    )
