# SPDX-License-Identifier: Apache-2.0
"""What normalisations of a token share: float meaning, tolerance, and the hardware behind the division."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, enclosing, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, TensorType
from gatewright.ops._lanes import check_lanes, lane_foldings
from gatewright.ops._matrix import sample_fixed
from gatewright.ops._piecewise_rtl import pack
from gatewright.ops._window import memory_cost

if TYPE_CHECKING:
    from typing import Self

LANE_LATENCY = 4
"""Scaling, z, product with gamma, register slice (`norm_lanes.sv`)."""


class _Normalisation(Op):
    """`y = requantize(z * gamma + beta, shift)`, where z is a token divided by a measure of its size.

    For the channels x of a token, the centred or plain `d` is divided by a number that depends on the whole token. What
    is behind that division, `norm_lanes.sv`, is the same for all of them.
    """

    free_points: ClassVar[bool] = True
    each_token: ClassVar[bool] = True
    fraction: ClassVar[int]
    """Fraction bits of z."""

    gamma: Ints
    beta: Ints
    epsilon: int
    shift: int
    output: Fixed

    @abstractmethod
    def normalised(self, x: Ints) -> Ints:
        """z of [tokens, channels] integers."""

    @abstractmethod
    def peak(self, channels: int) -> int:
        """Bound of |z|."""

    @abstractmethod
    def front_widths(self, x: TensorType) -> dict[str, int]:
        """Bits of what the divisor is made of, unsigned, and of what z is rounded from, `scaled`."""

    @abstractmethod
    def divided(self, x: Floats, eps: float) -> tuple[Floats, Floats]:
        """What is divided, and by what: [tokens, channels] and [tokens, 1]."""

    @abstractmethod
    def carried(self, error: Floats, eps: float) -> tuple[Floats, Floats, float, float]:
        """What input errors change: the dividend, the divisor; the least divisor, and the largest |quotient|."""

    @abstractmethod
    def inexact(self, divisor: Floats, of_eps: float) -> Floats:
        """Relative error of the quotient from the rounding of epsilon and from the table: [tokens, 1]."""

    def variant(self) -> dict[str, bool]:
        """Attributes that change the hardware; the module has parameters of these names."""
        return {}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        for name in ("gamma", "beta"):
            if getattr(self, name).shape != (x.channels,):
                raise GraphError(f"{self.name()}.{name}", f"shape {getattr(self, name).shape}", f"[{x.channels}]")
        for name in ("epsilon", "shift"):
            if getattr(self, name) < 0:
                raise GraphError(f"{self.name()}.{name}", f"{getattr(self, name)}", "0 and up")
        widest = max(self.widths(x).values())
        if widest > MAX_WIDTH:
            raise GraphError(
                self.name(), f"{widest}-bit intermediates", f"at most {MAX_WIDTH} bits", "use narrower activations"
            )
        return TensorType(x.tokens, x.channels, self.output)

    def widths(self, x: TensorType) -> dict[str, int]:
        """Bits of the intermediates for any input of type `x`; signed but the first."""
        z = self.peak(x.channels)
        gamma = enclosing(min(int(self.gamma.min()), -1), int(self.gamma.max()), 0)
        beta = enclosing(min(int(self.rounded_beta.min()), -1), int(self.rounded_beta.max()), 0)
        product = z * -gamma.lo + max(-beta.lo, beta.hi)
        return self.front_widths(x) | {
            "z": z.bit_length() + 1,
            "gamma": gamma.width,
            "beta": beta.width,
            "sum": product.bit_length() + 1,
        }

    @property
    def rounded_beta(self) -> Ints:
        """Beta with the half that rounding adds."""
        return self.beta + ((1 << self.shift) >> 1)

    def evaluate(self, *inputs: Ints) -> Ints:
        return requantize(self.normalised(inputs[0]) * self.gamma + self.beta, self.shift, self.output)

    @classmethod
    def drawn(cls, rng: np.random.Generator, x: TensorType) -> dict[str, Any]:
        """Random attributes."""
        width, output = int(rng.integers(2, 17)), sample_fixed(rng)
        top = 1 << (width - 1)
        gamma = rng.integers(-top, top, x.channels, dtype=np.int64)
        # The largest |z| times the largest gamma is near the output's range.
        shift = max(0, width + cls.fraction + 1 - output.width - int(rng.integers(0, 4)))
        beta = rng.integers(-(top << cls.fraction), top << cls.fraction, x.channels, dtype=np.int64)
        epsilon = int(rng.integers(0, 1 << int(rng.integers(0, 2 * x.fixed.width))))
        return {"gamma": gamma, "beta": beta, "epsilon": epsilon, "shift": shift, "output": output}

    # Float meaning

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        (x,) = inputs
        unit = _quotient(*self.divided(x, float(reference.constants["eps"])))
        return unit * reference.constants["gamma"] + reference.constants["beta"]

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        ((x, error),) = inputs
        gamma, of_gamma, of_beta = reference.constants["gamma"], reference.errors["gamma"], reference.errors["beta"]
        eps, of_eps = float(reference.constants["eps"]), float(reference.errors["eps"])
        centre, divisor = self.divided(x, eps)
        unit = np.abs(_quotient(centre, divisor))
        change, of_divisor, least, most = self.carried(error, eps)
        # Rounding of epsilon, the table's error, rounding of z.
        of_unit = np.minimum(unit * self.inexact(divisor, of_eps), most) + 2.0 ** -(self.fraction + 1)
        # |c'/v' - c/v| <= |c' - c| / v' + |c| |v' - v| / (v v'), and each quotient is at most `most` anyway.
        low = np.maximum(divisor - of_divisor, least)
        near = np.divide(change + unit * of_divisor, low, out=np.full_like(unit, np.inf), where=low > 0)
        moved = np.where(of_divisor > 0, np.minimum(near, unit + most), 0.0)
        own = unit * of_gamma + of_beta + (np.abs(gamma) + of_gamma) * of_unit
        rounds = self.shift > 0
        return reference.bound(self.output, self.real([x], reference), output, own, np.abs(gamma) * moved, rounds)

    # Hardware

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def lanes_cost(self, folding: Folding, x: TensorType, waiting: int) -> Cost:
        """Resources of `norm_lanes.sv`, whose buffer holds a token and `waiting` beats."""
        lanes, wide, out, size = folding.lanes, x.fixed.width, self.output.width, self.widths(x)
        beats, factor = x.channels // lanes, (x.channels << 17).bit_length()
        lane = Cost(
            lut=5 * size["z"] + 3 * wide + 3.5 * out,
            ff=2 * out + size["z"] + 6 * wide + size["gamma"] + size["beta"] + 8,
            dsp=blocks(wide + (not x.fixed.signed), factor + 1) + blocks(size["gamma"], size["z"]),
        )
        total = buffer_cost(lanes * wide + 1, beats + waiting)
        for _ in range(lanes):
            total += lane
        for _ in range(ceil(lanes * (size["gamma"] + size["beta"]) / 32)):
            total += buffer_cost(32, beats * folding.banks)
        return total

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        return self.rtl_banked(folding, [self], [inputs])

    @classmethod
    def rtl_banked(cls, folding: Folding, ops: Sequence[Self], inputs: Sequence[tuple[TensorType, ...]]) -> Instance:
        for k, (op, (x,)) in enumerate(zip(ops, inputs, strict=True)):
            pairs: list[tuple[str, object, object]] = [("x", _hardware(x), _hardware(inputs[0][0]))]
            pairs += [("output", _format(op.output), _format(ops[0].output))]
            pairs += [(n, v, ops[0].variant()[n]) for n, v in op.variant().items()]
            for name, mine, first in pairs:
                if mine != first:
                    raise GraphError(
                        f"{cls.name()}.{name}", f"{mine} in iteration {k}, {first} in iteration 0", "equal"
                    )
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
            **{name.capitalize(): int(value) for name, value in ops[0].variant().items()},
            "InWidth": x.fixed.width,
            "InSigned": int(x.fixed.signed),
            "EpsilonWidth": epsilon,
            **{f"{name.capitalize()}Width": most[name] for name in ops[0].front_widths(x)},
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
        return Instance(cls.name(), parameters, (lanes,), lanes, memory, banked=True)

    def at_shift(self, shift: int) -> Self:
        """The same function with a larger shift."""
        more = shift - self.shift
        return replace(self, gamma=self.gamma << more, beta=self.beta << more, shift=shift)  # type: ignore[type-var]


def relative(error: float, value: Floats) -> Floats:
    """Bound of |v / v' - 1|, and so of |sqrt(v / v') - 1|, when v' is within `error` of v; large when v' may vanish."""
    return np.where(value > 2 * error, error / np.maximum(value - error, 1e-300), 1e300 * (error > 0))


def blocks(short: int, long: int) -> int:
    """Multiplier blocks of 18 x 27 bits for a product of such operands."""
    short, long = sorted((short, long))
    return (1 if short <= 18 else 2) * (1 if long <= 27 else 2)


def buffer_cost(width: int, depth: int) -> Cost:
    """A memory whose registers are counted elsewhere."""
    return replace(memory_cost(width, depth), ff=0)


def _quotient(centre: Floats, divisor: Floats) -> Floats:
    return np.divide(centre, divisor, out=np.zeros_like(centre), where=divisor > 0)


def _hardware(x: TensorType) -> tuple[int, int, bool]:
    return x.channels, x.fixed.width, x.fixed.signed


def _format(form: Fixed) -> tuple[int, bool]:
    return form.width, form.signed
