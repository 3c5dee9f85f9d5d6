# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector product per token that multiplies kept weights only; equal to `linear` with the same weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Cost, Folding, Instance, Stage, TensorType
from gatewright.ops._matrix import Matrix
from gatewright.ops._sparse import REACHES, Sparse, sampled
from gatewright.ops._sparse_cost import sparse_cost
from gatewright.ops._sparse_rtl import spell
from gatewright.ops.linear import Linear


@dataclass(frozen=True, eq=False)
class SparseLinear(Linear):
    """`y = requantize(W x + b)` for every token, W with zeros.

    Attributes:
        weight, bias, shift, weight_width, output: as of `Linear`; one group, no codebook.
        block, reach, shared, others: how the hardware finds its operands, see `_sparse.Sparse`.
    """

    torch: ClassVar[tuple[str, ...]] = ()

    block: int = 1
    reach: int = 1
    shared: bool = False
    others: tuple[Ints, ...] = ()

    def sparse(self, x: Fixed) -> Sparse:
        """The sparse unit for inputs of format `x`."""
        if x not in self._sparse:
            self._sparse[x] = Sparse(self.matrix(x), self.block, self.reach, self.shared, self.others)
        return self._sparse[x]

    @cached_property
    def _sparse(self) -> dict[Fixed, Sparse]:
        """Those made so far, with what they found out about foldings."""
        return {}

    def infer(self, *inputs: TensorType) -> TensorType:
        if self.codebook is not None:
            raise GraphError("sparse_linear.codebook", "given", "none: indices say where weights are, not what")
        found = super().infer(*inputs)
        self.sparse(inputs[0].fixed)
        return found

    def describe(self) -> str:
        # Weights of other iterations are theirs to show.
        return replace(self, others=()).describe() if self.others else super().describe()

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> SparseLinear:
        (x,) = inputs
        outs = int(rng.integers(1, 17))
        found = Matrix.sample(rng, x.fixed, (outs, x.channels), x.channels)
        return cls(**sampled(rng, found, [r for r in REACHES if x.channels % r == 0]))

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return self.sparse(inputs[0].fixed).foldings()

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        return sparse_cost(self.sparse(inputs[0].fixed), folding)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return self.sparse(inputs[0].fixed).stages(folding, np.arange(tokens))

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        return folding.simd * self.reach, folding.pe

    @classmethod
    def rtl_banked(
        cls,
        folding: Folding,
        ops: Sequence[SparseLinear],  # type: ignore[override]
        inputs: Sequence[tuple[TensorType, ...]],
    ) -> Instance:
        units = [op.sparse(x.fixed) for op, (x,) in zip(ops, inputs, strict=True)]
        parameters, memory = spell(folding, units)
        return Instance("sparse_linear", parameters, (units[0].lanes(folding),), folding.pe, memory, banked=True)
