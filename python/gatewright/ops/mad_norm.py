# SPDX-License-Identifier: Apache-2.0
"""Normalisation of every token by its mean absolute deviation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, round_shift
from gatewright.graph import Cost, Folding, Stage, TensorType
from gatewright.ops import _norm, _norm_constants, _softmax
from gatewright.ops._norm import LANE_LATENCY, _Normalisation, blocks, buffer_cost

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

FRACTION = 15
"""Fraction bits of z: those of a normalised value are between these and one more."""
MEAN_LATENCY = 6
"""Cycles from a token's final beat to its first one that is compared with the mean, but for the adder tree."""
SPREAD_LATENCY = 11
"""Cycles from there, on the final beat, to the first one that is normalised, but for the adder tree."""


@dataclass(frozen=True, eq=False)
class MadNorm(_Normalisation):
    """`y = requantize(z * gamma + beta, shift)`, z being (x - mean) / (mean|x - mean| + eps): no square, no root.

    Sari, Courville, Partovi Nia, "iRNN: Integer-only Recurrent Neural Network" (ICPRAM 2022). For the C channels x of a
    token, in integers, `S = sum x`, `d = C x - S` and `A = sum |d|`, so C**2 times the mean deviation, both exact.
    With L = ceil(log2 C),

        z = round(2**(L + FRACTION) * d / (A + epsilon)),

    which is 2**L / C * 2**FRACTION times the normalised value; the factor 2**L / C is in gamma. As the deviations of
    one sign are half of all, |d| <= A / 2, and |z| <= 2**(L + FRACTION - 1). Only the reciprocal of A + epsilon is not
    exact: it is attention's, `_softmax.reciprocal`, and its error is common to the token. A constant token has d = 0
    and thus y = beta, also where epsilon is 0.

    Attributes:
        gamma: [channels] integers, C / 2**L of the real ones.
        beta: [channels] integers at gamma's binary point plus FRACTION.
        epsilon: `eps * C**2 * 2**frac` of the input, rounded; 0 and up.
        shift: gamma's frac plus FRACTION minus the output's frac; 0 and up.
        output: format of the result.
    """

    torch: ClassVar[tuple[str, ...]] = ("gatewright.mad_norm.default",)
    fraction: ClassVar[int] = FRACTION

    gamma: Ints
    beta: Ints
    epsilon: int
    shift: int
    output: Fixed

    def infer(self, *inputs: TensorType) -> TensorType:
        found, most = super().infer(*inputs), MAX_WIDTH - _softmax.EXP_BITS
        if (width := self.widths(inputs[0])["deviation"]) > most:
            raise GraphError(
                "mad_norm", f"a deviation of {width} bits", f"at most {most} bits", "use narrower activations"
            )
        return found

    def peak(self, channels: int) -> int:
        return int((1 + _softmax.RECIPROCAL_RELATIVE) * 2 ** (FRACTION - 1 + levels(channels))) + 1

    def front_widths(self, x: TensorType) -> dict[str, int]:
        # Half of the channels at each end.
        deviation = max(x.channels**2 * (x.fixed.hi - x.fixed.lo) // 2 + self.epsilon, 1).bit_length()
        product = (x.channels * (x.fixed.hi - x.fixed.lo) << _softmax.EXP_BITS).bit_length()
        # d * r plus 2**half, which an epsilon that is larger than any deviation makes the larger one.
        half = max(deviation - 1 - levels(x.channels), 0)
        return {"deviation": deviation, "scaled": max(product, half + 1) + 2}

    def normalised(self, x: Ints) -> Ints:
        channels = x.shape[1]
        centre = channels * x - x.sum(axis=1, keepdims=True)
        deviation = np.abs(centre).sum(axis=1, keepdims=True) + self.epsilon
        # Any reciprocal will do for 0, where the centre is 0 too.
        r, half = inverse(np.maximum(deviation, 1), channels)
        return round_shift(centre * r, half + 1)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> MadNorm:
        return cls(**cls.drawn(rng, inputs[0]))

    def divided(self, x: Floats, eps: float) -> tuple[Floats, Floats]:
        centre = x - x.mean(axis=1, keepdims=True)
        return centre, np.abs(centre).mean(axis=1, keepdims=True) + eps

    def carried(self, error: Floats, eps: float) -> tuple[Floats, Floats, float, float]:
        # The mean of |d|, d the centred change, is at most its root mean square, and at most twice the mean error.
        mean = error.mean(axis=1, keepdims=True)
        norm: Floats = np.sqrt((error * error).mean(axis=1, keepdims=True))
        return error + mean, np.minimum(norm, 2 * mean), eps, error.shape[1] / 2

    def inexact(self, divisor: Floats, of_eps: float) -> Floats:
        of_sum = _norm.relative(of_eps, divisor)
        return of_sum + (1 + of_sum) * _softmax.RECIPROCAL_RELATIVE

    @classmethod
    def from_torch(cls, call: TorchCall) -> MadNorm:
        gamma, beta = _norm_constants.weights(call)
        op, kept = quantized(gamma, beta, float(call.arg("eps")), call.input(), call.output)
        _norm_constants.keep(call, kept)
        return op

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,), lanes = inputs, folding.lanes
        beats, wide, size = x.channels // lanes, x.fixed.width, self.widths(x)
        tree, summed = (lanes - 1).bit_length(), wide + (x.channels - 1).bit_length()
        # Per token: floor of the mean, products of the sums, leading one, chord.
        whole = Cost(lut=19 * size["deviation"] + 150, ff=3.3 * size["deviation"] + 420, dsp=1)
        whole += Cost(dsp=blocks(summed, x.channels.bit_length() + 1) + blocks(summed, 18))
        if x.channels & (x.channels - 1):
            bits, part = x.channels.bit_length() + 1, summed - zeros(x.channels)
            whole += Cost(dsp=blocks(part, part + 2) + blocks(bits, summed) + blocks(bits, 18))
        # A comparison per channel.
        whole += Cost(lut=lanes * (2 * wide + 8))
        first = buffer_cost(lanes * wide + 1, beats + MEAN_LATENCY + 3 + tree)
        return whole + first + self.lanes_cost(folding, x, SPREAD_LATENCY + 3 + tree)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        beats = inputs[0].channels // folding.lanes
        whole = MEAN_LATENCY + SPREAD_LATENCY + 2 * (folding.lanes - 1).bit_length()
        # A token goes by twice before it is normalised, each time behind the one before it.
        return [Stage(np.arange(tokens), beats, whole + LANE_LATENCY + 2 * (beats - 1))]


def levels(channels: int) -> int:
    """L = ceil(log2 channels)."""
    return (channels - 1).bit_length()


def zeros(number: int) -> int:
    """How often 2 divides it."""
    return (number & -number).bit_length() - 1


def inverse(deviation: Ints, channels: int) -> tuple[Ints, Ints]:
    """(r, half) with `2**(L + FRACTION) / deviation = r * 2**-(half + 1)`, for deviations of 1 to 2**46.

    Deviations too small for a half of 0 and up are those of constant tokens, of which d is 0.
    """
    wide = deviation << _softmax.EXP_BITS
    exponent = _softmax.exponent(wide) - _softmax.EXP_BITS
    return _softmax.reciprocal(wide), np.maximum(exponent - levels(channels), 0)


def quantized(
    gamma: Floats, beta: Floats, eps: float, x: TensorType, output: Fixed
) -> tuple[MadNorm, _norm_constants.Kept]:
    """The operator for real constants, and per constant (value, error of its integers)."""
    gain = x.channels / 2 ** levels(x.channels)
    found, kept = _norm_constants.integers(gamma, beta, eps, x.channels**2 * 2.0**x.fixed.frac, FRACTION, output, gain)
    return MadNorm(**found), kept
