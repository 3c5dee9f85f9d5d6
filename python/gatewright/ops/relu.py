# SPDX-License-Identifier: Apache-2.0
"""Rectified linear unit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.fixed import Fixed, Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._lanes import check_lanes, lane_foldings, lane_stage

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True)
class Relu(Op):
    """`y = max(x, 0)`, exact: the result is unsigned and one bit narrower. Wiring on unsigned inputs."""

    torch: ClassVar[tuple[str, ...]] = ("aten.relu.default",)
    each_token: ClassVar[bool] = True

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if not x.fixed.signed:
            return x
        return replace(x, fixed=Fixed(max(1, x.fixed.width - 1), x.fixed.frac, signed=False))

    def evaluate(self, *inputs: Ints) -> Ints:
        return np.maximum(inputs[0], 0)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Relu:
        return cls()

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return np.maximum(inputs[0], 0.0)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        return inputs[0][1]

    @classmethod
    def from_torch(cls, call: TorchCall) -> Relu:
        return cls()

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,) = inputs
        if not x.fixed.signed:
            return Cost()
        return Cost(lut=folding.lanes * 2 * x.fixed.width + 4, ff=folding.lanes * 2 * x.fixed.width + 4)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        (x,) = inputs
        return [lane_stage(folding, tokens, x)] if x.fixed.signed else []

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        return (folding.lanes, folding.lanes) if inputs[0].fixed.signed else (0, 0)

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance | None:
        (x,) = inputs
        if not x.fixed.signed:
            return None
        check_lanes(folding.lanes, x.channels)
        return Instance("relu", {"Lanes": folding.lanes, "InWidth": x.fixed.width}, (folding.lanes,), folding.lanes)
