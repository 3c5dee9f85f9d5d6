# SPDX-License-Identifier: Apache-2.0
"""Division by a power of two that never fails: the ring shrinks by the bits that are dropped."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.secure.side import Side
from gatewright.secure.step import Step, _Local
from gatewright.secure.words import Words, reduced


@dataclass(frozen=True)
class Truncate(_Local):
    """Shares modulo 2**(bits + shift) of z to shares modulo 2**bits of floor(z / 2**shift) or that plus 1.

    Each party drops the low bits of its share, the server adds 1. What both dropped either carried into the next bit,
    or the 1 is too much: so the result is rounded at random, with mean `z / 2**shift + 2**-shift`, and nothing else can
    happen. A wrap of the shares is a multiple of the larger modulus, hence of the smaller one after the shift.

    Attributes:
        shift: bits to drop, 1 and up.
    """

    shift: int

    def fits(self, *sources: Step) -> bool:
        return super().fits(*sources) and 1 <= self.shift < self.word

    def needs(self) -> tuple[int, ...]:
        return (self.bits + self.shift,)

    def most(self) -> int:
        return self.word - self.shift

    def local(self, side: Side, *shares: Words) -> Words:
        (z,) = shares
        found = reduced(z, self.bits + self.shift) >> z.dtype.type(self.shift)
        return found + z.dtype.type(1) if side.server else found
