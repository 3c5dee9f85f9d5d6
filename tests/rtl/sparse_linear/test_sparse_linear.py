# SPDX-License-Identifier: Apache-2.0
"""Bench of sparse_linear: equals the operator for every way to find operands, in as many cycles as it has rows."""

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.sparse_linear import SparseLinear

N = Length("n", 200)
X = Fixed(8, 4)


def weights(seed: int, ins: int, outs: int, block: int, density: float) -> Ints:
    """Random weights; some outputs keep everything, some nothing."""
    rng = np.random.default_rng(seed)
    kept = rng.random((outs // block, ins)) < density
    kept[0], kept[-1] = False, True
    found = rng.integers(1, 128, (outs, ins)) * rng.choice([-1, 1], (outs, ins))
    found[-1] = -128
    return np.where(np.repeat(kept, block, axis=0), found, 0).astype(np.int64)


def operator(weight: Ints, others: tuple[Ints, ...] = (), frac: int = 4, **how: int) -> SparseLinear:
    outs = len(weight)
    bias = np.arange(outs) * 37 - 200
    shift = np.arange(outs) % 3 + 8
    return SparseLinear(weight, bias, shift, 8, Fixed(8, frac), others=others, **how)


@pytest.mark.parametrize(
    ("how", "folding"),
    [
        ({"reach": 2}, Folding(simd=2, pe=4)),
        ({"reach": 4, "shared": True, "block": 2}, Folding(simd=2, pe=4)),
    ],
    ids=["own_beats", "shared_beats_and_pairs"],
)
def test_sparse_linear(how: dict[str, int], folding: Folding) -> None:
    weight = weights(1, 16, 8, how.get("block", 1), 0.2)
    op, kind = operator(weight, **how), TensorType(N, 16, X)
    unit = op.sparse(X)
    assert unit.matrix.pairs(unit.unit(folding)) == ("block" in how)
    interval = max(unit.depth(folding), unit.words(folding))
    check_module(op, kind, folding=folding, pace=(1, interval))


def test_sparse_linear_banked() -> None:
    """Three sets of weights with different zeros and binary points: each takes as long as the longest."""
    sets = [weights(k, 16, 4, 1, d) for k, d in enumerate((0.2, 0.9, 0.5))]
    ops = [operator(w, tuple(v for v in sets if v is not w), frac) for w, frac in zip(sets, (4, 6, 1), strict=True)]
    folding = Folding(simd=4, pe=2)
    depths = {op.sparse(X).depth(folding) for op in ops}
    assert len(depths) == 1 and operator(sets[0]).sparse(X).depth(folding) < max(depths)
    lengths = (1, 2, 1, 5, 1, 4)
    check_module(ops[0], TensorType(N, 16, X), folding=folding, banks=ops, lengths=lengths, pace=(1, max(depths)))
