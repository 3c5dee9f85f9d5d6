# SPDX-License-Identifier: Apache-2.0
"""Maximum or mean over all tokens of a sequence, per channel; one token comes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, most_tokens
from gatewright.ops._lanes import SKID_LATENCY, check_lanes, lane_foldings
from gatewright.ops._matrix import sample_fixed
from gatewright.ops._reciprocal import fraction_bits, reciprocal
from gatewright.ops._window import memory_cost

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

READ_LATENCY = 2 + SKID_LATENCY
"""Cycles from a sequence's final beat to the first beat of its maximum: bank switch, read, register slice."""
MOST_TOKENS = 1 << 16
"""Longest sequence that can be averaged: reciprocals then have at most 32 fraction bits."""


class Kind(str, Enum):
    """What a global pool computes."""

    MAX = "max"
    AVERAGE = "average"


@dataclass(frozen=True)
class GlobalPool(Op):
    """`y[0, c] = max over t of x[t, c]`, or `requantize(sum over t of x[t, c] * R[n] * 2**-m)` for the mean.

    `R[n] = round(2**m / n)` for the n tokens that came, with m = 16 + ceil(log2(most)): before rounding,
    the mean is off by at most `n / most * max|x| * 2**-17`, a quarter of an input unit for 16-bit inputs
    and 2**-10 for 8-bit ones. It is exact when n is a power of two.

    Attributes:
        kind: maximum or mean.
        most: longest sequence, which fixes m.
        shift: input frac minus output frac; 0 for the maximum.
        output: format of the result; the input's for the maximum.
    """

    torch: ClassVar[tuple[str, ...]] = (
        "aten.adaptive_avg_pool1d.default",
        "aten.adaptive_avg_pool2d.default",
        "aten.adaptive_max_pool1d.default",
        "aten.adaptive_max_pool2d.default",
        "aten.mean.dim",
        "aten.amax.default",
    )

    kind: Kind
    most: int
    shift: int
    output: Fixed

    def __post_init__(self) -> None:
        # A saved graph holds the plain string.
        object.__setattr__(self, "kind", Kind(self.kind))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if not most_tokens(x.tokens) <= self.most <= MOST_TOKENS:
            raise GraphError(
                "global_pool.most", f"{self.most} on {x.tokens} tokens", f"{most_tokens(x.tokens)} to {MOST_TOKENS}"
            )
        if x.fixed.frac - self.shift != self.output.frac:
            raise GraphError(
                "global_pool.shift",
                f"{self.shift} from {x.fixed} to {self.output}",
                f"{x.fixed.frac - self.output.frac}",
            )
        if self.kind is Kind.MAX and self.output != x.fixed:
            raise GraphError("global_pool.output", f"{self.output}", f"{x.fixed}, the input's")
        if self.kind is Kind.AVERAGE and self._product_width(x.fixed) > MAX_WIDTH:
            raise GraphError(
                "global_pool",
                f"a product of {self._product_width(x.fixed)} bits",
                f"at most {MAX_WIDTH}",
                "use narrower activations or shorter sequences",
            )
        return TensorType(1, x.channels, self.output)

    def _product_width(self, x: Fixed) -> int:
        return x.width + 2 * (self.most - 1).bit_length() + 20

    def evaluate(self, *inputs: Ints) -> Ints:
        (x,) = inputs
        if self.kind is Kind.MAX:
            return x.max(axis=0, keepdims=True)
        fraction = fraction_bits(self.most)
        sums = x.sum(axis=0, keepdims=True)
        return requantize(sums * reciprocal(len(x), fraction), fraction + self.shift, self.output)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> GlobalPool:
        (x,) = inputs
        if rng.random() < 0.4:
            return cls(Kind.MAX, most_tokens(x.tokens), 0, x.fixed)
        shift = int(rng.integers(-1, 4))
        return cls(
            Kind.AVERAGE,
            most_tokens(x.tokens) + int(rng.integers(0, 5)),
            shift,
            sample_fixed(rng, x.fixed.frac - shift),
        )

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        pool = np.max if self.kind is Kind.MAX else np.mean
        return np.asarray(pool(inputs[0], axis=0, keepdims=True))

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        ((value, error),) = inputs
        spread = self.real([error], reference)
        if self.kind is Kind.MAX:
            return spread
        fraction = fraction_bits(self.most)
        inexact = abs(reciprocal(len(value), fraction) * 2.0**-fraction - 1 / len(value))
        own = np.abs(value).sum(axis=0, keepdims=True) * inexact
        return reference.bound(self.output, self.real([value], reference), output, own, spread)

    @classmethod
    def from_torch(cls, call: TorchCall) -> GlobalPool:
        if "output_size" in call.step.args:
            rank = 2 if "2d" in call.target else 1
            if set(call.ints("output_size", rank)) != {1}:
                call.refuse("output_size", call.arg("output_size"), "1", "use a pooling layer with a fixed kernel")
            call.reduce(range(-rank, 0))
        else:
            if not call.arg("dim"):
                call.refuse("dim", call.arg("dim"), "all dimensions but batch and channels")
            call.reduce(call.arg("dim"))
        x = call.input()
        if "max" in call.target:
            return cls(Kind.MAX, most_tokens(x.tokens), 0, x.fixed)
        return cls(Kind.AVERAGE, most_tokens(x.tokens), x.fixed.frac - call.output.frac, call.output)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,) = inputs
        lanes, chunks = folding.lanes, x.channels // folding.lanes
        beat = lanes * x.fixed.width
        if self.kind is Kind.MAX:
            return memory_cost(beat + lanes, 2 * chunks, 2) + Cost(lut=2.5 * beat + 20, ff=2 * beat + 5)
        acc, factor = x.fixed.width + 1 + (self.most - 1).bit_length(), fraction_bits(self.most) + 1
        small, large = sorted((acc, factor + 1))
        blocks = (1 if small <= 18 else np.ceil(small / 17)) * (1 if large <= 27 else np.ceil(large / 26))
        # The multiplier blocks take in the registers of their operands and products.
        total = Cost(
            lut=lanes * (2 * acc + 2 * self.output.width) + 40,
            ff=lanes * 2 * self.output.width + 40,
            dsp=float(lanes * blocks),
        )
        total += Cost(lut=memory_cost(lanes * acc, 2 * chunks, 2).lut)
        return total if isinstance(x.tokens, int) else total + memory_cost(factor, self.most)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        interval = inputs[0].channels // folding.lanes
        taken = Stage(np.arange(tokens), interval, 0, interval)
        # All chunks of a result follow the final beat, so its last one leaves interval - 1 cycles later.
        latency = READ_LATENCY + (self.kind is Kind.AVERAGE) + interval - 1
        return [taken, Stage(np.array([tokens - 1]), interval, latency, interval, most_tokens(inputs[0].tokens))]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,) = inputs
        check_lanes(folding.lanes, x.channels)
        return Instance(
            "global_pool",
            {
                "Lanes": folding.lanes,
                "Chunks": x.channels // folding.lanes,
                "Tokens": x.tokens if isinstance(x.tokens, int) else 0,
                "MaxTokens": self.most,
                "Average": int(self.kind is Kind.AVERAGE),
                "InWidth": x.fixed.width,
                "InSigned": int(x.fixed.signed),
                "Fraction": fraction_bits(self.most),
                "Shift": self.shift,
                "OutWidth": self.output.width,
                "OutSigned": int(self.output.signed),
            },
            (folding.lanes,),
            folding.lanes,
        )
