# SPDX-License-Identifier: Apache-2.0
"""Layer normalisation and root-mean-square normalisation of every token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, enclosing, requantize, round_shift
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops import _rsqrt
from gatewright.ops._lanes import check_lanes, lane_foldings
from gatewright.ops._matrix import sample_fixed
from gatewright.ops._piecewise_rtl import pack
from gatewright.ops._window import memory_cost

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

FRACTION = 16
"""Fraction bits of the normalised value z, of which |z| <= sqrt(channels)."""
GAMMA_BITS = 16
"""Bits of gamma that the front end aims at: with z of at most 27 bits, one multiplier block."""
ROOT_LATENCY = 12
"""Cycles from a token's final beat to its first one that is normalised, but for the adder tree."""
LANE_LATENCY = 4
"""Scaling, z, product with gamma, register slice."""


@dataclass(frozen=True, eq=False)
class LayerNorm(Op):
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
    free_points: ClassVar[bool] = True
    each_token: ClassVar[bool] = True

    gamma: Ints
    beta: Ints
    epsilon: int
    shift: int
    output: Fixed
    centred: bool = True

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        for name in ("gamma", "beta"):
            if getattr(self, name).shape != (x.channels,):
                raise GraphError(f"layer_norm.{name}", f"shape {getattr(self, name).shape}", f"[{x.channels}]")
        for name in ("epsilon", "shift"):
            if getattr(self, name) < 0:
                raise GraphError(f"layer_norm.{name}", f"{getattr(self, name)}", "0 and up")
        widest = max(self.widths(x).values())
        if widest > MAX_WIDTH:
            raise GraphError(
                "layer_norm", f"{widest}-bit intermediates", f"at most {MAX_WIDTH} bits", "use narrower activations"
            )
        return TensorType(x.tokens, x.channels, self.output)

    def widths(self, x: TensorType) -> dict[str, int]:
        """Bits of the intermediates for any input of type `x`; signed but the unsigned `variance`."""
        peak = max(-x.fixed.lo, x.fixed.hi)
        variance = x.channels**2 * peak**2 + self.epsilon
        squares = 2 * (x.fixed.width + (not x.fixed.signed)) - 1 + (x.channels - 1).bit_length()
        # |z| <= sqrt(C), and the relative error of the root is far below one part in 2**15.
        z = int(np.sqrt(x.channels) * (1 + 2.0**-15) * 2**FRACTION) + 1
        gamma = enclosing(min(int(self.gamma.min()), -1), int(self.gamma.max()), 0)
        beta = enclosing(min(int(self.rounded_beta.min()), -1), int(self.rounded_beta.max()), 0)
        product = z * -gamma.lo + max(-beta.lo, beta.hi)
        return {
            "variance": max(variance.bit_length(), squares),
            "scaled": (2 * x.channels * peak << _rsqrt.FRACTION).bit_length() + 1,
            "z": z.bit_length() + 1,
            "gamma": gamma.width,
            "beta": beta.width,
            "sum": product.bit_length() + 1,
        }

    @property
    def rounded_beta(self) -> Ints:
        """Beta with the half that rounding adds."""
        return self.beta + ((1 << self.shift) >> 1)

    def normalised(self, x: Ints) -> Ints:
        """z of [tokens, channels] integers."""
        channels = x.shape[1]
        total = x.sum(axis=1, keepdims=True) if self.centred else np.zeros((len(x), 1), np.int64)
        squares = (x * x).sum(axis=1, keepdims=True)
        r, half = _rsqrt.rsqrt(channels * squares - total * total + self.epsilon)
        return round_shift((channels * x - total) * r, _rsqrt.FRACTION + half - FRACTION)

    def evaluate(self, *inputs: Ints) -> Ints:
        return requantize(self.normalised(inputs[0]) * self.gamma + self.beta, self.shift, self.output)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> LayerNorm:
        (x,) = inputs
        width, output = int(rng.integers(2, 17)), sample_fixed(rng)
        top = 1 << (width - 1)
        gamma = rng.integers(-top, top, x.channels, dtype=np.int64)
        # The largest |z| times the largest gamma is near the output's range.
        shift = max(0, width + FRACTION + 1 - output.width - int(rng.integers(0, 4)))
        beta = rng.integers(-(top << FRACTION), top << FRACTION, x.channels, dtype=np.int64)
        epsilon = int(rng.integers(0, 1 << int(rng.integers(0, 2 * x.fixed.width))))
        return cls(gamma, beta, epsilon, shift, output, bool(rng.random() < 0.7))

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        (x,) = inputs
        centre, sigma = self._moments(x, float(reference.constants["eps"]))
        unit = np.divide(centre, sigma, out=np.zeros_like(centre), where=sigma > 0)
        return unit * reference.constants["gamma"] + reference.constants["beta"]

    def _moments(self, x: Floats, eps: float) -> tuple[Floats, Floats]:
        """What is divided, and by what: [tokens, channels] and [tokens, 1]."""
        centre = x - x.mean(axis=1, keepdims=True) if self.centred else x
        return centre, np.sqrt((centre * centre).mean(axis=1, keepdims=True) + eps)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        ((x, error),) = inputs
        gamma, of_gamma, of_beta = reference.constants["gamma"], reference.errors["gamma"], reference.errors["beta"]
        eps, of_eps = float(reference.constants["eps"]), float(reference.errors["eps"])
        centre, sigma = self._moments(x, eps)
        unit: Floats = np.divide(np.abs(centre), sigma, out=np.zeros_like(centre), where=sigma > 0)
        # Rounding of epsilon, the root's error, rounding of z.
        of_root = _relative(of_eps, sigma**2)
        of_unit = unit * (of_root + (1 + of_root) * _rsqrt.RELATIVE_ERROR)
        of_unit = np.minimum(of_unit, np.sqrt(x.shape[1])) + 2.0 ** -(FRACTION + 1)
        moved = self._moved(sigma, unit, error, eps)
        own = unit * of_gamma + of_beta + (np.abs(gamma) + of_gamma) * of_unit
        rounds = self.shift > 0
        return reference.bound(self.output, self.real([x], reference), output, own, np.abs(gamma) * moved, rounds)

    def _moved(self, sigma: Floats, unit: Floats, error: Floats, eps: float) -> Floats:
        """How far z can move when the inputs move by `error`.

        With d the (centred) change, |sigma' - sigma| <= |d|_2 / sqrt(C) by the triangle inequality, so
        |c'/sigma' - c/sigma| <= |d_i| / sigma' + |c_i| |sigma' - sigma| / (sigma sigma'); and |z| <= sqrt(C) always.
        """
        most = np.sqrt(error.shape[1])
        change = error + error.mean(axis=1, keepdims=True) if self.centred else error
        norm = np.sqrt((error * error).mean(axis=1, keepdims=True))
        low = np.maximum(sigma - norm, np.sqrt(eps))
        near = np.divide(change + unit * norm, low, out=np.full_like(unit, np.inf), where=low > 0)
        return np.where(norm > 0, np.minimum(near, unit + most), 0.0)

    @classmethod
    def from_torch(cls, call: TorchCall) -> LayerNorm:
        order = call.vectors()
        x, output = call.input(), call.output
        shape = list(call.arg("normalized_shape"))
        if shape != [x.channels]:
            call.refuse("normalized_shape", shape, f"the last dimension, [{x.channels}]")
        centred, eps = call.target == "aten.layer_norm.default", call.arg("eps")
        # PyTorch's default of rms_norm is the resolution of the input's type; the float model is compared in float64.
        eps = float(np.finfo(np.float64).eps) if eps is None else float(eps)
        gamma, beta = (call.arg(n) if n in call.step.args else None for n in ("weight", "bias"))
        scale = np.ones(x.channels) if gamma is None else np.asarray(gamma, np.float64)[order]
        offset = np.zeros(x.channels) if beta is None else np.asarray(beta, np.float64)[order]
        op, kept = quantized(scale, offset, eps, x, output, centred)
        call.constants.update({n: v for n, (v, _) in kept.items()})
        call.errors.update({n: e for n, (_, e) in kept.items()})
        return op

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,), lanes = inputs, folding.lanes
        beats, wide, out, size = x.channels // lanes, x.fixed.width, self.output.width, self.widths(x)
        tree, summed = (lanes - 1).bit_length(), wide + (x.channels - 1).bit_length()
        # Per token: products of the sums, leading one, chord. Per channel: square, normalised value, scaled value.
        root = Cost(lut=19 * size["variance"] + 60, ff=3.3 * size["variance"] + 250, dsp=1)
        if self.centred:
            root += Cost(dsp=_blocks(summed, summed) + _blocks(summed, _rsqrt.FRACTION + 1))
        if x.channels & (x.channels - 1):
            bits = x.channels.bit_length() + 1
            root += Cost(dsp=_blocks(bits, wide + summed) + _blocks(bits, _rsqrt.FRACTION + 1))
        factor = (x.channels << _rsqrt.FRACTION).bit_length()
        blocks = 1 + _blocks(wide + (not x.fixed.signed), factor + 1) + _blocks(size["gamma"], size["z"])
        lane = Cost(
            lut=5 * size["z"] + 3 * wide + 3.5 * out,
            ff=2 * out + size["z"] + 6 * wide + size["gamma"] + size["beta"] + 8,
            dsp=blocks,
        )
        row = lanes * (size["gamma"] + size["beta"])
        total = root + _memory(lanes * wide + 1, beats + ROOT_LATENCY + 3 + tree)
        for _ in range(lanes):
            total += lane
        for _ in range(ceil(row / 32)):
            total += _memory(32, beats * folding.banks)
        return total

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        beats = inputs[0].channels // folding.lanes
        root = ROOT_LATENCY + (folding.lanes - 1).bit_length()
        return [Stage(np.arange(tokens), beats, root + LANE_LATENCY + beats - 1)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        return self.rtl_banked(folding, [self], [inputs])

    @classmethod
    def rtl_banked(
        cls, folding: Folding, ops: Sequence[LayerNorm], inputs: Sequence[tuple[TensorType, ...]]
    ) -> Instance:
        for k, (op, (x,)) in enumerate(zip(ops, inputs, strict=True)):
            for name, mine, first in (
                ("x", (x.channels, x.fixed.width, x.fixed.signed), _hardware(inputs[0][0])),
                ("output", (op.output.width, op.output.signed), (ops[0].output.width, ops[0].output.signed)),
                ("centred", op.centred, ops[0].centred),
            ):
                if mine != first:
                    raise GraphError(f"layer_norm.{name}", f"{mine} in iteration {k}, {first} in iteration 0", "equal")
        (x,), lanes = inputs[0], folding.lanes
        check_lanes(lanes, x.channels)
        # Binary points may differ: constants are scaled to the largest shift.
        shift = max(op.shift for op in ops)
        banks = [op.at_shift(shift) for op in ops]
        sizes = [op.widths(x) for op in banks]
        most = {name: max(s[name] for s in sizes) for name in sizes[0]}
        epsilon = max(1, max(op.epsilon for op in ops).bit_length())
        fields = [
            np.concatenate([getattr(op, n) for op in banks]).reshape(-1, lanes) for n in ("gamma", "rounded_beta")
        ]
        rows = np.stack(fields, axis=-1).reshape(-1, 2 * lanes)
        columns = [rows[:, i] for i in range(2 * lanes)]
        parameters = {
            "Lanes": lanes,
            "Beats": x.channels // lanes,
            "Banks": len(ops),
            "Centred": int(ops[0].centred),
            "InWidth": x.fixed.width,
            "InSigned": int(x.fixed.signed),
            "EpsilonWidth": epsilon,
            "VarianceWidth": most["variance"],
            "ScaledWidth": most["scaled"],
            "ZWidth": most["z"],
            "GammaWidth": most["gamma"],
            "BetaWidth": most["beta"],
            "OutSumWidth": most["sum"],
            "Shift": shift,
            "OutWidth": ops[0].output.width,
            "OutSigned": int(ops[0].output.signed),
        }
        memory = (
            pack([np.array([op.epsilon for op in ops])], [epsilon]),
            pack(columns, [most["gamma"], most["beta"]] * lanes),
        )
        return Instance("layer_norm", parameters, (lanes,), lanes, memory, banked=True)

    def at_shift(self, shift: int) -> LayerNorm:
        """The same function with a larger shift."""
        more = shift - self.shift
        return replace(self, gamma=self.gamma << more, beta=self.beta << more, shift=shift)


def _blocks(short: int, long: int) -> int:
    """Multiplier blocks of 18 x 27 bits for a product of such operands."""
    short, long = sorted((short, long))
    return (1 if short <= 18 else 2) * (1 if long <= 27 else 2)


def _memory(width: int, depth: int) -> Cost:
    """A memory whose registers are counted elsewhere."""
    return replace(memory_cost(width, depth), ff=0)


def _hardware(x: TensorType) -> tuple[int, int, bool]:
    return x.channels, x.fixed.width, x.fixed.signed


def _relative(error: float, value: Floats) -> Floats:
    """Bound of |sqrt(v / v') - 1| when v' is within `error` of v; large when v' may vanish."""
    return np.where(value > 2 * error, error / np.maximum(value - error, 1e-300), 1e300 * (error > 0))


def quantized(
    gamma: Floats, beta: Floats, eps: float, x: TensorType, output: Fixed, centred: bool
) -> tuple[LayerNorm, dict[str, tuple[Floats, Floats]]]:
    """The operator for real constants, and per constant (value, error of its integers)."""
    peak = float(np.max(np.abs(gamma), initial=0.0))
    frac = GAMMA_BITS - 1 - int(np.ceil(np.log2(peak))) if peak else 0
    # A coarser gamma than this would make the output coarser than its format.
    frac = max(frac, output.frac - FRACTION)
    scale = np.floor(np.ldexp(gamma, frac) + 0.5)
    offset = np.floor(np.ldexp(beta, frac + FRACTION) + 0.5)
    unit = x.channels**2 * 4.0**x.fixed.frac
    epsilon = int(np.floor(eps * unit + 0.5))
    kept: dict[str, tuple[Floats, Any]] = {
        "gamma": (gamma, np.abs(np.ldexp(scale, -frac) - gamma)),
        "beta": (beta, np.abs(np.ldexp(offset, -frac - FRACTION) - beta)),
        "eps": (np.array(eps), np.array(abs(epsilon / unit - eps))),
    }
    shift = frac + FRACTION - output.frac
    return LayerNorm(scale.astype(np.int64), offset.astype(np.int64), epsilon, shift, output, centred), kept
