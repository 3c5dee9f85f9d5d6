# SPDX-License-Identifier: Apache-2.0
"""The client learns a value: the server sends its share."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.secure.side import Side
from gatewright.secure.step import Exchange, Prepared, Step
from gatewright.secure.words import Words, pack, packed_size, reduced, unpack


@dataclass(frozen=True)
class Reveal(Step):
    """`x0 + x1` at the client."""

    def needs(self) -> tuple[int, ...]:
        return (self.bits,)

    def exchanges(self) -> tuple[Exchange, ...]:
        return (Exchange(0, packed_size(self.count, self.bits)),)

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        (x,) = shares
        if side.server:
            side.send(pack(x, self.bits))
            return x
        payload = side.receive(packed_size(x.size, self.bits))
        return reduced(x + unpack(payload, x.shape, self.bits, self.word), self.bits)
