# SPDX-License-Identifier: Apache-2.0
"""Quadratic activation in one round, in which the ring also grows from a few bits to a word again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.graph import Node
from gatewright.ops.quadratic import Quadratic
from gatewright.secure.correlated.correlation import Correlation
from gatewright.secure.correlated.powers import Powers
from gatewright.secure.planner import Builder, lowers
from gatewright.secure.side import Side
from gatewright.secure.step import Exchange, Prepared, Step
from gatewright.secure.steps.extend import Extend
from gatewright.secure.steps.x2act_plain import X2actPlain, coefficients_fit
from gatewright.secure.words import Words, pack, packed_size, reduced, signed_bits, to_words, unpack


@dataclass(frozen=True)
class X2act(Step):
    """`a x**2 + b x + c` modulo 2**bits from x modulo 2**source, |x| < 2**(source - 2).

    x' = x + 2**(source - 2) lies in [0, 2**(source - 1)). With q uniform in [0, 2**source) both open
    E = x' - q modulo 2**source. If its highest bit is set, x' - q itself is E - 2**source; else x' = E + q',
    where q' is q as a signed number. Either way x' = E' + p over the integers, with shares of p and p**2 modulo
    2**word from the dealer, so x' and x'**2 = E'**2 + 2 E' p + p**2 are shared modulo 2**word.

    Attributes:
        source: ring bits of the input.
        square, slope: public coefficients a and b, one per channel or one for all. The constant c is the server's.
    """

    source: int
    square: tuple[int, ...]
    slope: tuple[int, ...]

    def fits(self, *sources: Step) -> bool:
        return (
            super().fits(*sources) and 3 <= self.source <= self.word and coefficients_fit(self, self.square, self.slope)
        )

    def needs(self) -> tuple[int, ...]:
        return (self.source,)

    def correlations(self) -> dict[str, Correlation]:
        return {"powers": Powers(self.tokens, self.channels, self.source, self.bits, self.word)}

    def exchanges(self) -> tuple[Exchange, ...]:
        size = packed_size(self.count, self.source)
        return (Exchange(size, size),)

    def set_up(self, side: Side) -> None:
        a, b, h = np.array(self.square), np.array(self.slope), 1 << (self.source - 2)
        # In terms of x' = x + h: a x'**2 + (b - 2 a h) x' + (a h**2 - b h + c).
        side.kept["a"], side.kept["b"] = to_words(a, self.word), to_words(b - 2 * a * h, self.word)
        if side.server:
            side.kept["c"] = to_words(a * h * h - b * h + side.secret["constant"], self.word)

    def prepare(self, side: Side, *shares: Words | None) -> Prepared:
        drawn, a = side.random("powers"), side.kept["a"]
        # The constant that makes x positive is the server's to add.
        mask = drawn["u"] - drawn["u"].dtype.type(1 << (self.source - 2)) if side.server else drawn["u"]
        data = {"mask": mask, "u": drawn["u"], "s": drawn["s"], "auu": a * drawn["uu"], "ass": a * drawn["ss"]}
        (x,) = shares
        if x is not None:
            self._open(data, x)
        return Prepared(None, data)

    def _open(self, data: dict[str, Any], x: Words) -> None:
        data["opened"] = reduced(x - data["mask"], self.source)
        data["message"] = pack(data["opened"], self.source)

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        (x,) = shares
        data, kept = prepared.data, side.kept
        if "opened" not in data:
            self._open(data, x)
        opened, message = data["opened"], data["message"]
        answer = unpack(side.exchange(message), x.shape, self.source, self.word)
        kind = x.dtype.type
        e = reduced(opened + answer, self.source)
        top = e >> kind(self.source - 1)
        high = top.astype(np.bool_)
        if self.source < self.word:
            e = e - (top << kind(self.source))
        p, app = np.where(high, data["u"], data["s"]), np.where(high, data["auu"], data["ass"])
        t = kept["a"] * e
        t_b = t + kept["b"]
        found: Words = p * (t + t_b) + app
        return found + e * t_b + kept["c"] if side.server else found


@lowers(Quadratic)
def lower(builder: Builder, node: Node, op: Quadratic) -> int:
    """The polynomial, then the shift to the output's format. It is no ReLU: saturation at 0 is not computed."""
    (index,) = builder.inputs(node)
    coefficients = {n: _short(getattr(op, n).tolist()) for n in ("square", "slope")}
    secret = {"constant": op.constant}
    shape, bits = builder.shape(node), signed_bits(*builder.span(index)) + 1
    if builder.ride_along:
        index = builder.add(X2act, (index,), shape, None, secret, source=bits, **coefficients)
    else:
        # A square pair costs transfers by the square of the ring's bits: start from few.
        index = builder.add(Extend, (index,), shape, builder.span(index), source=bits)
        index = builder.add(X2actPlain, (index,), shape, None, secret, **coefficients)
    return builder.requantized(index, op.shift, op.output, relu=False)


def _short(values: list[int]) -> tuple[int, ...]:
    return (values[0],) if len(set(values)) == 1 else tuple(values)
