# SPDX-License-Identifier: Apache-2.0
"""Convolution over an image that multiplies kept weights only; equal to `conv2d` with the same weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Cost, Folding, Instance, Stage, TensorType, least_tokens, most_tokens
from gatewright.ops._matrix import Matrix
from gatewright.ops._sparse import REACHES, Sparse, sampled
from gatewright.ops._sparse_cost import sparse_cost
from gatewright.ops._sparse_rtl import spell
from gatewright.ops.conv2d import Conv2d


@dataclass(frozen=True, eq=False)
class SparseConv2d(Conv2d):
    """A `Conv2d` of one group, its weights with zeros; a position is one token of a sparse matrix unit.

    Attributes:
        block, reach, shared: how the hardware finds its operands, see `_sparse.Sparse`. Places are counted in the order
            of the patch: (chunk, ky, kx, lane).
        others: weights of the other iterations of a loop, [out, in, kernel rows, kernel columns].
    """

    torch: ClassVar[tuple[str, ...]] = ()

    block: int = 1
    reach: int = 1
    shared: bool = False
    others: tuple[Ints, ...] = ()

    def sparse(self, x: Fixed, lanes: int) -> Sparse:
        """The sparse unit for inputs of format `x` that come in chunks of `lanes` channels."""
        key = (x, lanes)
        if key not in self._sparse:
            others = tuple(replace(self, weight=w).matrix(x, lanes).weight[0] for w in self.others)
            self._sparse[key] = Sparse(self.matrix(x, lanes), self.block, self.reach, self.shared, others)
        return self._sparse[key]

    @cached_property
    def _sparse(self) -> dict[tuple[Fixed, int], Sparse]:
        return {}

    def infer(self, *inputs: TensorType) -> TensorType:
        if self.groups != 1 or self.codebook is not None:
            problem = f"groups = {self.groups}, codebook {'given' if self.codebook is not None else 'none'}"
            raise GraphError("sparse_conv2d", problem, "one group, no codebook")
        found = super().infer(*inputs)
        self.sparse(inputs[0].fixed, self.inner)
        return found

    def describe(self) -> str:
        # Weights of other iterations are theirs to show.
        return replace(self, others=()).describe() if self.others else super().describe()

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> SparseConv2d | None:
        dense = Conv2d.sample(rng, *inputs)
        if dense is None:
            return None
        shape = (int(rng.integers(1, 7)), inputs[0].channels, *dense.weight.shape[2:])
        found = Matrix.sample(rng, inputs[0].fixed, shape, int(np.prod(shape[1:])))
        geometry = {k: getattr(dense, k) for k in ("height", "width", "stride", "padding", "dilation", "circular")}
        return cls(**sampled(rng, found, [r for r in REACHES if int(np.prod(shape[1:])) % r == 0]), **geometry)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        """Every folding of the matrix unit, each with the fewest lanes that keep it busy."""
        (x,) = inputs
        options = [d for d in range(1, self.inner + 1) if self.inner % d == 0]
        fewest, sparse = least_tokens(x.tokens), self.sparse(x.fixed, self.inner)
        for folding in sparse.foldings():
            beat = sparse.lanes(folding)
            legal = [d for d in options if self._whole_ratio(beat, d)]
            patience = max(sparse.depth(folding), sparse.words(folding))
            quick = [d for d in legal if self._keeps_busy(fewest, x.channels / d, patience)]
            if legal:
                yield replace(folding, lanes=quick[0] if quick else legal[-1])

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,) = inputs
        sparse, patch = self.sparse(x.fixed, folding.lanes), self.window().taps * folding.lanes
        beat = sparse.lanes(folding)
        width_change = x.fixed.width * max(patch, beat) if patch != beat else 0
        window = self.window().cost(x.channels, folding.lanes, x.fixed.width, x.tokens)
        return window + Cost(lut=width_change * 0.6, ff=width_change) + sparse_cost(sparse, folding)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        (x,) = inputs
        window, sparse = self.window(), self.sparse(x.fixed, folding.lanes)
        chunks = x.channels // folding.lanes
        parts = window.parts(tokens, chunks)
        patch, beat = window.taps * folding.lanes, sparse.lanes(folding)
        handover = max(1, patch // beat) * (chunks // parts)
        count = int(np.prod(window.out_shape(tokens)))
        (first,) = sparse.stages(folding, np.arange(1, count + 1) * parts - 1)
        # The width change takes a cycle, and one for each further beat of the final patch.
        latency = first.latency + (max(1, patch // beat) if patch != beat else 0)
        unit = Stage(first.need, first.interval, latency, handover, parts)
        return [*window.stages(tokens, chunks, most_tokens(x.tokens)), unit]

    @classmethod
    def rtl_banked(
        cls,
        folding: Folding,
        ops: Sequence[SparseConv2d],  # type: ignore[override]
        inputs: Sequence[tuple[TensorType, ...]],
    ) -> Instance:
        first, (x,) = ops[0], inputs[0]
        units = [op.sparse(t.fixed, folding.lanes) for op, (t,) in zip(ops, inputs, strict=True)]
        if not first._whole_ratio(units[0].lanes(folding), folding.lanes):
            patch = first.window().taps * folding.lanes
            raise GraphError("simd", f"beats of {units[0].lanes(folding)} beside patches of {patch}", "a whole ratio")
        shape = first.shape_parameters()
        for k, one in enumerate(ops[1:], 1):
            if one.shape_parameters() != shape:
                raise GraphError("sparse_conv2d.window", f"{one.shape_parameters()} in iteration {k}", f"{shape}")
        parameters, memory = spell(folding, units)
        common = {
            "Lanes": folding.lanes,
            "Chunks": x.channels // folding.lanes,
            "Circular": int(first.window().circular),
            "MaxTokens": most_tokens(x.tokens),
        }
        lanes = (folding.lanes,)
        return Instance("sparse_conv2d", shape | common | parameters, lanes, folding.pe, memory, banked=True)
