# SPDX-License-Identifier: Apache-2.0
"""Multiplication by a power of two."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.secure.side import Side
from gatewright.secure.step import Step, _Local
from gatewright.secure.words import Words


@dataclass(frozen=True)
class ShiftLeft(_Local):
    """`x << left`: an input modulo 2**(bits - left) is enough.

    Attributes:
        left: 0 and up.
    """

    left: int

    def fits(self, *sources: Step) -> bool:
        return super().fits(*sources) and 0 <= self.left < self.word

    def needs(self) -> tuple[int, ...]:
        return (max(1, self.bits - self.left),)

    def local(self, side: Side, *shares: Words) -> Words:
        (x,) = shares
        return x << x.dtype.type(self.left)
