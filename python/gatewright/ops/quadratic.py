# SPDX-License-Identifier: Apache-2.0
"""Quadratic polynomial activation, one polynomial per channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints, enclosing, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._lanes import check_lanes, lane_foldings, lane_stage
from gatewright.ops._matrix import chunks, sample_fixed

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

QUADRATIC_LATENCY = 4
"""Two multiply-add steps, rounding and the register slice."""


@dataclass(frozen=True, eq=False)
class Quadratic(Op):
    """`y = requantize(square * x**2 + slope * x + constant, shift)` per channel, by Horner's rule.

    With x at frac fx and `square` at frac fa, `slope` is at fa + fx and `constant` at fa + 2 fx.

    Attributes:
        square, slope, constant: [channels] integers.
        shift: fa + 2 fx minus the output's frac.
        output: format of the result.
    """

    torch: ClassVar[tuple[str, ...]] = ("gatewright.quadratic.default",)
    each_token: ClassVar[bool] = True

    square: Ints
    slope: Ints
    constant: Ints
    shift: int
    output: Fixed

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        for name in ("square", "slope", "constant"):
            if getattr(self, name).shape != (x.channels,):
                raise GraphError(f"quadratic.{name}", f"shape {getattr(self, name).shape}", f"[{x.channels}]")
        self.widths(x.fixed)
        return TensorType(x.tokens, x.channels, self.output)

    def widths(self, x: Fixed) -> tuple[int, int, int, int]:
        """Signed bits of square, slope, inner sum (square * x + slope) and whole polynomial, for any x."""
        spans = [
            enclosing(min(int(c.min()), -1), int(c.max()), 0).width for c in (self.square, self.slope, self.constant)
        ]
        bits = x.width + (not x.signed)
        inner = max(spans[0] + bits, spans[1]) + 1
        whole = max(inner + bits, spans[2]) + 2
        if whole > 62:
            raise GraphError("quadratic", f"{whole}-bit polynomial", "at most 62 bits", "use narrower coefficients")
        return spans[0], spans[1], inner, whole

    @property
    def offset(self) -> Ints:
        """Constant plus the half that rounding adds."""
        return self.constant + ((1 << (self.shift - 1)) if self.shift > 0 else 0)

    def evaluate(self, *inputs: Ints) -> Ints:
        (x,) = inputs
        return requantize((self.square * x + self.slope) * x + self.constant, self.shift, self.output)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Quadratic:
        (x,) = inputs
        width = int(rng.integers(2, 9))
        square = rng.integers(-(1 << (width - 1)), 1 << (width - 1), x.channels, dtype=np.int64)
        slope = rng.integers(-(1 << (width + 2)), 1 << (width + 2), x.channels, dtype=np.int64)
        constant = rng.integers(-(1 << (width + 6)), 1 << (width + 6), x.channels, dtype=np.int64)
        output = sample_fixed(rng)
        shift = max(-1, width + 2 * x.fixed.width - output.width - int(rng.integers(0, 6)))
        return cls(square, slope, constant, shift, output)

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        (x,) = inputs
        a, b, c = (reference.constants[n] for n in ("square", "slope", "constant"))
        return a * x**2 + b * x + c

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        ((x, error),) = inputs
        a, b = (reference.constants[n] for n in ("square", "slope"))
        of_a, of_b, of_c = (reference.errors[n] for n in ("square", "slope", "constant"))
        own = of_a * x**2 + of_b * np.abs(x) + of_c
        # p(x + d) - p(x) = (2 a x + b) d + a d**2
        spread = np.abs(2 * a * x + b) * error + np.abs(a) * error**2
        return reference.bound(self.output, self.real([x], reference), output, own, spread, self.shift > 0)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Quadratic:
        output = call.output
        constants = {n: call.per_channel(n, call.arg(n)) for n in ("square", "slope", "constant")}
        square, slope, constant, frac = call.polynomial(**constants)
        return cls(square, slope, constant, frac + 2 * call.input().fixed.frac - output.frac, output)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        square, _, inner, whole = self.widths(inputs[0].fixed)
        multipliers = (square > 1) + (1 if inner <= 18 else 2)
        return Cost(
            lut=folding.lanes * (inner + whole + 2 * self.output.width) + 40,
            ff=folding.lanes * (inner + 2 * whole + 2 * self.output.width),
            dsp=folding.lanes * multipliers,
        )

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return [lane_stage(folding, tokens, inputs[0], QUADRATIC_LATENCY)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,) = inputs
        check_lanes(folding.lanes, x.channels)
        square, slope, inner, whole = self.widths(x.fixed)
        offset = whole
        fields = np.stack([self.square, self.slope, self.offset], axis=-1).reshape(-1, folding.lanes, 3)
        packed = _pack(fields, (square, slope, offset))
        return Instance(
            "quadratic",
            {
                "Lanes": folding.lanes,
                "Beats": x.channels // folding.lanes,
                "InWidth": x.fixed.width,
                "InSigned": int(x.fixed.signed),
                "SquareWidth": square,
                "SlopeWidth": slope,
                "InnerWidth": inner,
                "WholeWidth": whole,
                "Shift": self.shift,
                "OutWidth": self.output.width,
                "OutSigned": int(self.output.signed),
            },
            (folding.lanes,),
            folding.lanes,
            (packed,),
        )


def _pack(fields: Ints, widths: tuple[int, ...]) -> Ints:
    """[rows, lanes, 3] coefficients to rows of words: per lane {offset, slope, square}, each of its own width."""
    bits = [((fields[..., k, None] >> np.arange(w)) & 1) for k, w in enumerate(widths)]
    rows = np.concatenate(bits, axis=-1).reshape(len(fields), -1)
    return chunks(rows, 1)
