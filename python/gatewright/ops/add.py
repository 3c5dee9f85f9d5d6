# SPDX-License-Identifier: Apache-2.0
"""Sum of two streams (residual connection)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._lanes import check_lanes, lane_foldings, lane_stage

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall
from gatewright.ops._matrix import sample_fixed

ADD_LATENCY = 2
"""Sum register and register slice."""


@dataclass(frozen=True)
class Add(Op):
    """`y = requantize((a << left[0]) + (b << left[1]), shift)`: both aligned to the finer binary point.

    Attributes:
        left: left shift of each input, at least 0.
        shift: right shift of the sum.
        output: format of the result.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.add.Tensor",)
    arity: ClassVar[int | None] = 2
    each_token: ClassVar[bool] = True

    left: tuple[int, int]
    shift: int
    output: Fixed

    @staticmethod
    def of(a: Fixed, b: Fixed, output: Fixed) -> Add:
        """The addition of formats `a` and `b` into `output`."""
        fine = max(a.frac, b.frac)
        return Add((fine - a.frac, fine - b.frac), fine - output.frac, output)

    def infer(self, *inputs: TensorType) -> TensorType:
        a, b = inputs
        if (a.tokens, a.channels) != (b.tokens, b.channels):
            raise GraphError("add", f"[{a.tokens}, {a.channels}] + [{b.tokens}, {b.channels}]", "equal shapes")
        wanted = Add.of(a.fixed, b.fixed, self.output)
        if (self.left, self.shift) != (wanted.left, wanted.shift):
            raise GraphError(
                "add",
                f"left {self.left}, shift {self.shift} for {a.fixed} + {b.fixed} -> {self.output}",
                f"left {wanted.left}, shift {wanted.shift}",
            )
        width = self.sum_width(a.fixed, b.fixed)
        if width > 62:
            raise GraphError(
                "add", f"{width}-bit sum of {a.fixed} and {b.fixed}", "at most 62 bits", "requantize an input first"
            )
        return TensorType(a.tokens, a.channels, self.output)

    def sum_width(self, a: Fixed, b: Fixed) -> int:
        """Bits of the exact aligned sum, signed."""
        wide = [f.width + (not f.signed) + s for f, s in zip((a, b), self.left, strict=True)]
        return max(wide) + 1

    def evaluate(self, *inputs: Ints) -> Ints:
        a, b = inputs
        return requantize((a << self.left[0]) + (b << self.left[1]), self.shift, self.output)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Add | None:
        a, b = inputs
        if (a.tokens, a.channels) != (b.tokens, b.channels) or abs(a.fixed.frac - b.fixed.frac) > 20:
            return None
        return cls.of(a.fixed, b.fixed, sample_fixed(rng, min(a.fixed.frac, b.fixed.frac) - int(rng.integers(-1, 4))))

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return inputs[0] + inputs[1]

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        (a, of_a), (b, of_b) = inputs
        return reference.bound(self.output, a + b, output, np.zeros(()), of_a + of_b, self.shift > 0)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Add:
        call.activations(2, "other", "the sum of two activations of equal shape")
        if call.arg("alpha") != 1:
            call.refuse("alpha", call.arg("alpha"), "1")
        return cls.of(call.input(0).fixed, call.input(1).fixed, call.output)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        width = self.sum_width(inputs[0].fixed, inputs[1].fixed)
        return Cost(
            lut=folding.lanes * (2 * width + 2 * self.output.width) + 6,
            ff=folding.lanes * (width + 2 * self.output.width) + 6,
        )

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return [lane_stage(folding, tokens, inputs[0], ADD_LATENCY)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        a, b = inputs
        check_lanes(folding.lanes, a.channels)
        return Instance(
            "add",
            {
                "Lanes": folding.lanes,
                "Width0": a.fixed.width,
                "Signed0": int(a.fixed.signed),
                "Left0": self.left[0],
                "Width1": b.fixed.width,
                "Signed1": int(b.fixed.signed),
                "Left1": self.left[1],
                "Shift": self.shift,
                "OutWidth": self.output.width,
                "OutSigned": int(self.output.signed),
            },
            (folding.lanes, folding.lanes),
            folding.lanes,
        )
