# SPDX-License-Identifier: Apache-2.0
"""Layer normalisation and root-mean-square normalisation of every token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.fixed import Fixed, Floats, Ints, round_shift
from gatewright.graph import Cost, Folding, Stage, TensorType
from gatewright.ops import _norm, _norm_constants, _rsqrt
from gatewright.ops._norm import LANE_LATENCY, _Normalisation, blocks

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

FRACTION = 16
"""Fraction bits of the normalised value z, of which |z| <= sqrt(channels)."""
ROOT_LATENCY = 12
"""Cycles from a token's final beat to its first one that is normalised, but for the adder tree."""


@dataclass(frozen=True, eq=False)
class LayerNorm(_Normalisation):
    """`y = requantize(z * gamma + beta, shift)` with `z = round(d / sqrt(V) * 2**FRACTION)`, nothing rounded before z.

    For the C channels x of a token, S = sum x and Q = sum x**2, in integers:
    centred: `d = C x - S` and `V = C Q - S**2 + epsilon`, else (root mean square) `d = C x` and `V = C Q + epsilon`.
    So d / sqrt(V) is (x - mean) / sqrt(variance + eps) whatever the input's binary point; only the reciprocal root of V
    is not exact (`_rsqrt`, relative error below 2**-16.3). V = 0 has d = 0, so y = beta.

    Attributes:
        gamma: [channels] integers.
        beta: [channels] integers at gamma's binary point plus FRACTION.
        epsilon: `eps * C**2 * 4**frac` of the input, rounded; 0 and up.
        shift: gamma's frac plus FRACTION minus the output's frac; 0 and up.
        output: format of the result.
        centred: the mean is subtracted.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.layer_norm.default", "aten.rms_norm.default")
    fraction: ClassVar[int] = FRACTION

    gamma: Ints
    beta: Ints
    epsilon: int
    shift: int
    output: Fixed
    centred: bool = True

    def variant(self) -> dict[str, bool]:
        return {"centred": self.centred}

    def peak(self, channels: int) -> int:
        # |z| <= sqrt(C), and the relative error of the root is far below one part in 2**15.
        return int(np.sqrt(channels) * (1 + 2.0**-15) * 2**FRACTION) + 1

    def front_widths(self, x: TensorType) -> dict[str, int]:
        peak = max(-x.fixed.lo, x.fixed.hi)
        variance = x.channels**2 * peak**2 + self.epsilon
        squares = 2 * (x.fixed.width + (not x.fixed.signed)) - 1 + (x.channels - 1).bit_length()
        width = max(variance.bit_length(), squares)
        # d * r plus 2**half, which an epsilon that is larger than any variance makes the larger one.
        scaled = max((2 * x.channels * peak << _rsqrt.FRACTION).bit_length() + 1, (width - 1) // 2 + 3)
        return {"variance": width, "scaled": scaled}

    def normalised(self, x: Ints) -> Ints:
        channels = x.shape[1]
        total = x.sum(axis=1, keepdims=True) if self.centred else np.zeros((len(x), 1), np.int64)
        squares = (x * x).sum(axis=1, keepdims=True)
        r, half = _rsqrt.rsqrt(channels * squares - total * total + self.epsilon)
        return round_shift((channels * x - total) * r, _rsqrt.FRACTION + half - FRACTION)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> LayerNorm:
        return cls(**cls.drawn(rng, inputs[0]), centred=bool(rng.random() < 0.7))

    def divided(self, x: Floats, eps: float) -> tuple[Floats, Floats]:
        centre = x - x.mean(axis=1, keepdims=True) if self.centred else x
        return centre, np.sqrt((centre * centre).mean(axis=1, keepdims=True) + eps)

    def carried(self, error: Floats, eps: float) -> tuple[Floats, Floats, float, float]:
        # With d the (centred) change, |sigma' - sigma| <= |d|_2 / sqrt(C) by the triangle inequality.
        change = error + error.mean(axis=1, keepdims=True) if self.centred else error
        norm: Floats = np.sqrt((error * error).mean(axis=1, keepdims=True))
        return change, norm, float(np.sqrt(eps)), float(np.sqrt(error.shape[1]))

    def inexact(self, divisor: Floats, of_eps: float) -> Floats:
        of_root = _norm.relative(of_eps, divisor**2)
        return of_root + (1 + of_root) * _rsqrt.RELATIVE_ERROR

    @classmethod
    def from_torch(cls, call: TorchCall) -> LayerNorm:
        gamma, beta = _norm_constants.weights(call)
        centred, eps = call.target == "aten.layer_norm.default", call.arg("eps")
        # PyTorch's default of rms_norm is the resolution of the input's type; the float model is compared in float64.
        eps = float(np.finfo(np.float64).eps) if eps is None else float(eps)
        op, kept = quantized(gamma, beta, eps, call.input(), call.output, centred)
        _norm_constants.keep(call, kept)
        return op

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,), lanes = inputs, folding.lanes
        wide, size = x.fixed.width, self.widths(x)
        summed = wide + (x.channels - 1).bit_length()
        # Per token: products of the sums, leading one, chord.
        root = Cost(lut=19 * size["variance"] + 60, ff=3.3 * size["variance"] + 250, dsp=1)
        if self.centred:
            root += Cost(dsp=blocks(summed, summed) + blocks(summed, _rsqrt.FRACTION + 1))
        if x.channels & (x.channels - 1):
            bits = x.channels.bit_length() + 1
            root += Cost(dsp=blocks(bits, wide + summed) + blocks(bits, _rsqrt.FRACTION + 1))
        # A square per channel.
        squares = Cost(dsp=lanes)
        return root + squares + self.lanes_cost(folding, x, ROOT_LATENCY + 3 + (lanes - 1).bit_length())

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        beats = inputs[0].channels // folding.lanes
        root = ROOT_LATENCY + (folding.lanes - 1).bit_length()
        return [Stage(np.arange(tokens), beats, root + LANE_LATENCY + beats - 1)]


def quantized(
    gamma: Floats, beta: Floats, eps: float, x: TensorType, output: Fixed, centred: bool
) -> tuple[LayerNorm, _norm_constants.Kept]:
    """The operator for real constants, and per constant (value, error of its integers)."""
    found, kept = _norm_constants.integers(gamma, beta, eps, x.channels**2 * 4.0**x.fixed.frac, FRACTION, output)
    return LayerNorm(**found, centred=centred), kept
