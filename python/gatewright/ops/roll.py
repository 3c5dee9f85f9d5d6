# SPDX-License-Identifier: Apache-2.0
"""Rotation of a sequence: its first tokens move to the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, least_tokens
from gatewright.ops._lanes import SKID_LATENCY, check_lanes, lane_foldings
from gatewright.ops._window import WRAP_LATENCY, wrap_cost

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True)
class Roll(Op):
    """`y[t] = x[(t + shift) mod n]` for a sequence of n tokens: `torch.roll(x, -shift)` along it.

    The other way round would need the whole sequence before its first result, whatever its length.

    Attributes:
        shift: tokens that move from the front to the end, at least 1 and fewer than any sequence has.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.roll.default",)

    shift: int

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if not 1 <= self.shift < least_tokens(x.tokens):
            allowed = f"at least 1, and below {least_tokens(x.tokens)}, the shortest sequence"
            raise GraphError("roll.shift", f"{self.shift} on {x.tokens} tokens", allowed)
        return x

    def evaluate(self, *inputs: Ints) -> Ints:
        return np.roll(inputs[0], -self.shift, axis=0)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Roll | None:
        least = least_tokens(inputs[0].tokens)
        return cls(int(rng.integers(1, min(6, least)))) if least > 1 else None

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return np.roll(inputs[0], -self.shift, axis=0)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        return np.roll(inputs[0][1], -self.shift, axis=0)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Roll:
        shifts, dims = call.ints("shifts", 1), call.ints("dims", 1)
        view, tokens = call.values[0].view, call.input().tokens
        if len(dims) != 1 or view.dims[dims[0]] != view.tokens:
            call.refuse("dims", list(dims), "the dimension of the sequence")
        shift = -shifts[0] if not isinstance(tokens, int) else -shifts[0] % tokens
        if shift < 1:
            call.refuse(
                "shifts", list(shifts), "below 0 where the length is known at run time only; not the whole round"
            )
        return cls(shift)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,) = inputs
        beat = folding.lanes * x.fixed.width
        return wrap_cost(beat, self.shift * x.channels // folding.lanes) + Cost(lut=beat + 3, ff=2 * beat + 5)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        chunks = inputs[0].channels // folding.lanes
        need = np.minimum(np.arange(tokens) + self.shift, tokens - 1)
        return [Stage(need, chunks, WRAP_LATENCY + SKID_LATENCY, chunks)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,) = inputs
        check_lanes(folding.lanes, x.channels)
        parameters = {
            "DataWidth": x.fixed.width,
            "Lanes": folding.lanes,
            "Chunks": x.channels // folding.lanes,
            "Shift": self.shift,
        }
        return Instance("roll", parameters, (folding.lanes,), folding.lanes)
