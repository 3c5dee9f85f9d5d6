# SPDX-License-Identifier: Apache-2.0
"""Concatenation of two streams along the channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._lanes import SKID_LATENCY, check_lanes, lane_foldings

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True)
class Concat(Op):
    """Channels of the first input, then channels of the second, token by token. One format for both."""

    torch: ClassVar[tuple[str, ...]] = ("aten.cat.default",)
    arity: ClassVar[int | None] = 2
    each_token: ClassVar[bool] = True
    in_series: ClassVar[bool] = True

    def infer(self, *inputs: TensorType) -> TensorType:
        a, b = inputs
        if a.tokens != b.tokens:
            raise GraphError("concat", f"{a.tokens} and {b.tokens} tokens", "equal numbers of tokens")
        if a.fixed != b.fixed:
            raise GraphError("concat", f"formats {a.fixed} and {b.fixed}", "one format", "requantize one of the inputs")
        return TensorType(a.tokens, a.channels + b.channels, a.fixed)

    def evaluate(self, *inputs: Ints) -> Ints:
        return np.concatenate(inputs, axis=1)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Concat | None:
        a, b = inputs
        return cls() if (a.tokens, a.fixed) == (b.tokens, b.fixed) else None

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return np.concatenate(inputs, axis=1)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        return np.concatenate([error for _, error in inputs], axis=1)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Concat:
        if len(call.values) < 2:
            call.refuse("tensors", f"{len(call.values)} run-time tensors", "two or more")
        call.concat(call.arg("dim"), cls())
        return cls()

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(gcd(inputs[0].channels, inputs[1].channels))

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        bits = folding.lanes * inputs[0].fixed.width
        return Cost(lut=2 * bits + 12, ff=2 * bits + 12)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        a, b = inputs
        return [Stage(np.arange(tokens), (a.channels + b.channels) // folding.lanes, SKID_LATENCY)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        a, b = inputs
        check_lanes(folding.lanes, a.channels, b.channels)
        return Instance(
            "concat",
            {
                "Width": folding.lanes * a.fixed.width,
                "Beats0": a.channels // folding.lanes,
                "Beats1": b.channels // folding.lanes,
            },
            (folding.lanes, folding.lanes),
            folding.lanes,
        )
