# SPDX-License-Identifier: Apache-2.0
"""A random word at one party, a random bit at the other, and shares of their product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewright.secure.correlated.correlation import BITS, Correlation, Field, Fields
from gatewright.secure.role import Role
from gatewright.secure.words import from_plane, reduced, to_plane

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers

import numpy as np


class Choose(Correlation):
    """`w = v + r a` modulo 2**bits: words a and v at one party, bit r and word w at `receiver`."""

    def __init__(self, count: int, bits: int, word: int, receiver: Role) -> None:
        self.count, self.bits, self.word, self.receiver = count, bits, word, receiver

    def fields(self, role: Role) -> tuple[Field, ...]:
        last = BITS if role is Role.SERVER else None
        shape = (self.count,)
        if role is self.receiver:
            return Field("r", shape, planes=True, kind=BITS), Field("w", shape, self.bits, kind=last)
        return Field("a", shape, self.bits, kind=BITS), Field("v", shape, self.bits, kind=last)

    def deal(self, server: Fields, client: Fields) -> Fields:
        sender, receiver = (server, client) if self.receiver is Role.CLIENT else (client, server)
        product = from_plane(receiver["r"], self.count, self.word) * sender["a"]
        return {"w": server["v"] + product} if self.receiver is Role.CLIENT else {"v": server["w"] - product}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """A random transfer of a word: a is how far the two offers are apart."""
        total, shape = count * self.count, (count, self.count)
        if role is not self.receiver:
            first, second = transfers.offer(total).words(slice(0, total), 1, self.bits, self.word)
            return {"v": first.reshape(shape), "a": reduced(second - first, self.bits).reshape(shape)}
        choice = transfers.random_bits(total)
        taken = transfers.take(choice).words(slice(0, total), 1, self.bits, self.word)
        return {"r": to_plane(choice.reshape(shape).astype(np.bool_)), "w": taken.reshape(shape)}
