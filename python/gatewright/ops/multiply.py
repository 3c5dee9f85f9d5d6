# SPDX-License-Identifier: Apache-2.0
"""Product of two streams, element by element (gates)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._lanes import check_lanes, lane_foldings, lane_stage
from gatewright.ops._matrix import sample_fixed

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

MULTIPLY_LATENCY = 2
"""Product register and register slice."""
SMALL_PRODUCT = 9
"""Products of fewer bits stay in look-up tables when Yosys maps multipliers."""
PORTS = (27, 18)
"""Signed operands that one DSP block multiplies."""


@dataclass(frozen=True)
class Multiply(Op):
    """`y = requantize(a * b, shift)` per channel; the product's binary point is the sum of both.

    Attributes:
        shift: right shift of the product: `a.frac + b.frac - output.frac`.
        output: format of the result.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.mul.Tensor", "aten.glu.default")
    arity: ClassVar[int | None] = 2
    each_token: ClassVar[bool] = True

    shift: int
    output: Fixed

    @staticmethod
    def of(a: Fixed, b: Fixed, output: Fixed) -> Multiply:
        """The product of formats `a` and `b` into `output`."""
        return Multiply(a.frac + b.frac - output.frac, output)

    def infer(self, *inputs: TensorType) -> TensorType:
        a, b = inputs
        if (a.tokens, a.channels) != (b.tokens, b.channels):
            raise GraphError(
                "multiply",
                f"[{a.tokens}, {a.channels}] * [{b.tokens}, {b.channels}]",
                "equal shapes",
                "one factor per sequence (squeeze-and-excitation) is not supported",
            )
        wanted = Multiply.of(a.fixed, b.fixed, self.output).shift
        if self.shift != wanted:
            raise GraphError("multiply.shift", f"{self.shift} for {a.fixed} * {b.fixed} -> {self.output}", f"{wanted}")
        width = self.product_width(a.fixed, b.fixed) + max(0, -self.shift)
        if width > 62:
            raise GraphError(
                "multiply",
                f"{width}-bit product of {a.fixed} and {b.fixed}",
                "at most 62 bits",
                "requantize an input first",
            )
        return TensorType(a.tokens, a.channels, self.output)

    @staticmethod
    def product_width(a: Fixed, b: Fixed) -> int:
        """Bits of the exact product, signed."""
        return a.width + b.width + (not a.signed and not b.signed)

    def evaluate(self, *inputs: Ints) -> Ints:
        a, b = inputs
        return requantize(a * b, self.shift, self.output)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Multiply | None:
        a, b = inputs
        if (a.tokens, a.channels) != (b.tokens, b.channels) or a.fixed.width + b.fixed.width > 40:
            return None
        return cls.of(a.fixed, b.fixed, sample_fixed(rng, a.fixed.frac + b.fixed.frac - int(rng.integers(-1, 8))))

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return inputs[0] * inputs[1]

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        (a, of_a), (b, of_b) = inputs
        # (a + d)(b + e) - ab = a e + b d + d e
        spread = np.abs(a) * of_b + np.abs(b) * of_a + of_a * of_b
        return reference.bound(self.output, a * b, output, np.zeros(()), spread, self.shift > 0)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Multiply:
        if call.target == "aten.glu.default":
            # `frontend/gates.py` has split all others.
            call.refuse(
                "input",
                "not made by a layer of its own",
                "a gate over the output channels of a convolution or linear layer that nothing else reads",
                "compute both halves by two layers and multiply: a(x) * sigmoid(b(x))",
            )
        call.activations(2, "other", "the product of two activations of equal shape")
        return cls.of(call.input(0).fixed, call.input(1).fixed, call.output)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        a, b = (x.fixed for x in inputs)
        width = self.product_width(a, b)
        narrow, wide = sorted(f.width + (not f.signed) for f in (a, b))
        small = width < SMALL_PRODUCT or narrow == 1
        blocks = 0 if small else int(np.ceil(wide / PORTS[0]) * np.ceil(narrow / PORTS[1]))
        return Cost(
            lut=folding.lanes * (2 * self.output.width + width * (narrow if small else 1)) + 6,
            ff=folding.lanes * (width + 2 * self.output.width) + 6,
            dsp=folding.lanes * blocks,
        )

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return [lane_stage(folding, tokens, inputs[0], MULTIPLY_LATENCY)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        a, b = inputs
        check_lanes(folding.lanes, a.channels)
        return Instance(
            "multiply",
            {
                "Lanes": folding.lanes,
                "Width0": a.fixed.width,
                "Signed0": int(a.fixed.signed),
                "Width1": b.fixed.width,
                "Signed1": int(b.fixed.signed),
                "Shift": self.shift,
                "OutWidth": self.output.width,
                "OutSigned": int(self.output.signed),
            },
            (folding.lanes, folding.lanes),
            folding.lanes,
        )
