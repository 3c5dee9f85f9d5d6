# SPDX-License-Identifier: Apache-2.0
"""Quadratic activation from a square pair, on a ring that is wide already."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.secure.correlated.correlation import Correlation
from gatewright.secure.correlated.square import Square
from gatewright.secure.side import Side
from gatewright.secure.step import Exchange, Prepared, Step
from gatewright.secure.words import Words, pack, packed_size, reduced, to_words, unpack


@dataclass(frozen=True)
class X2actPlain(Step):
    """`a x**2 + b x + c` modulo 2**bits from x modulo 2**bits.

    Both open E = x - q; x**2 = q**2 + 2 E q + E**2, with shares of q and q**2.

    Attributes:
        square, slope: public coefficients a and b, one per channel or one for all. The constant c is the server's.
    """

    square: tuple[int, ...]
    slope: tuple[int, ...]

    def fits(self, *sources: Step) -> bool:
        return super().fits(*sources) and coefficients_fit(self, self.square, self.slope)

    def needs(self) -> tuple[int, ...]:
        return (self.bits,)

    def correlations(self) -> dict[str, Correlation]:
        return {"square": Square(self.tokens, self.channels, self.bits, self.word)}

    def exchanges(self) -> tuple[Exchange, ...]:
        size = packed_size(self.count, self.bits)
        return (Exchange(size, size),)

    def set_up(self, side: Side) -> None:
        side.kept["a"], side.kept["b"] = (to_words(np.array(v), self.word) for v in (self.square, self.slope))
        if side.server:
            side.kept["c"] = to_words(side.secret["constant"], self.word)

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        (x,) = shares
        drawn, kept = side.random("square"), side.kept
        opened = reduced(x - drawn["q"], self.bits)
        e = opened + unpack(side.exchange(pack(opened, self.bits)), x.shape, self.bits, self.word)
        squared = drawn["qq"] + (e + e) * drawn["q"]
        found: Words = kept["a"] * (squared + e * e if side.server else squared) + kept["b"] * x
        return found + kept["c"] if side.server else found


def coefficients_fit(step: Step, *coefficients: tuple[int, ...]) -> bool:
    """Whether each is one per channel or one for all, and of at most 62 bits, as in a graph."""
    return all(len(c) in (1, step.channels) and max(map(abs, c)) < 1 << 62 for c in coefficients)
