# SPDX-License-Identifier: Apache-2.0
"""When two matrices are less hardware than one: the operators' own cost model, at equal speed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from gatewright.errors import FoldingError
from gatewright.fixed import Fixed
from gatewright.graph import Cost, Folding, TensorType
from gatewright.ops._memory_cost import weigh
from gatewright.ops.linear import Linear


@dataclass(frozen=True)
class Choice:
    """The least hardware for a layer, as it is and as two.

    Attributes:
        dense, pair: resources, each with the foldings that are cheapest at the required speed.
    """

    dense: Cost
    pair: Cost

    @property
    def pays(self) -> bool:
        """Whether two matrices are less, each resource weighed by how many a large device has."""
        return weigh(self.pair) < weigh(self.dense)


def choice(ins: int, outs: int, rank: int, cycles: int, weight_bits: int = 8, bits: int = 8) -> Choice:
    """Compare a layer [outs, ins] with its factors of `rank`.

    Args:
        cycles: that a token may take.
        weight_bits, bits: of weights, and of activations, those between the factors too.

    Raises:
        FoldingError: no folding is that fast.
    """
    dense = least(ins, outs, cycles, weight_bits, bits)
    return Choice(dense, least(ins, rank, cycles, weight_bits, bits) + least(rank, outs, cycles, weight_bits, bits))


def paying_rank(ins: int, outs: int, cycles: int, multiple: int = 4, weight_bits: int = 8, bits: int = 8) -> int:
    """The largest rank, a multiple of `multiple`, at which two matrices are less hardware; 0 if there is none."""
    most = ins * outs // (ins + outs)
    for rank in range(most // multiple * multiple, 0, -multiple):
        if choice(ins, outs, rank, cycles, weight_bits, bits).pays:
            return rank
    return 0


@cache
def least(ins: int, outs: int, cycles: int, weight_bits: int, bits: int) -> Cost:
    """Resources of the cheapest folding of a layer that takes a token in `cycles` cycles; see `choice`."""
    zero, x = np.zeros(outs, np.int64), Fixed(bits, 0)
    # A bias and a shift, as any trained layer has them.
    op = Linear(np.zeros((outs, ins), np.int64), zero + 1, zero + weight_bits, weight_bits, Fixed(bits, 0))
    kind = TensorType(1, ins, x)
    matrix = op.matrix(x)
    legal = [f for f in matrix.foldings(tokens=False) if matrix.interval(f) <= cycles]
    if not legal:
        raise FoldingError("low rank", f"{outs} x {ins} in {cycles} cycles", "at least 1 cycle per token")
    # Beyond twice the fewest multipliers nothing gets cheaper.
    fewest = min(f.simd * f.pe for f in legal)
    near: list[Folding] = [f for f in legal if f.simd * f.pe <= 2 * fewest]
    return min((op.cost(f, kind) for f in near), key=weigh)
