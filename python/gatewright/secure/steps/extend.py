# SPDX-License-Identifier: Apache-2.0
"""A ring grows: one round, one bit each way per element."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.secure.correlated.carry import Carry
from gatewright.secure.correlated.correlation import Correlation
from gatewright.secure.side import Side
from gatewright.secure.step import Exchange, Prepared, Step
from gatewright.secure.widen import Widening
from gatewright.secure.words import Words


@dataclass(frozen=True)
class Extend(Step):
    """x modulo 2**source to x modulo 2**bits, for |x| < 2**(source - 2); see `Widening`.

    Attributes:
        source: ring bits of the input.
    """

    source: int

    def fits(self, *sources: Step) -> bool:
        return super().fits(*sources) and 3 <= self.source <= self.word

    def needs(self) -> tuple[int, ...]:
        return (self.source,)

    @property
    def widening(self) -> Widening:
        """The protocol."""
        return Widening(self.source)

    def correlations(self) -> dict[str, Correlation]:
        return {"carry": Carry(self.count, max(1, self.bits - self.source), self.word)}

    def exchanges(self) -> tuple[Exchange, ...]:
        size = -(-self.count // 8)
        return (Exchange(size, size),)

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        (x,) = shares
        flat, drawn = x.reshape(len(x), -1), side.random("carry")
        plane = self.widening.masked(side.role, flat, drawn)
        answer = side.exchange(plane.tobytes())
        return self.widening.finish(side.role, flat, drawn, plane, answer).reshape(x.shape)
