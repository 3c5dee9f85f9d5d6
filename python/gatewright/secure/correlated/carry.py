# SPDX-License-Identifier: Apache-2.0
"""A private random bit at each party, and shares of their product as a number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gatewright.secure.correlated.correlation import BITS, Correlation, Field, Fields
from gatewright.secure.role import Role
from gatewright.secure.words import dense_size, from_plane, pack_dense, reduced, unpack_dense

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers


class Carry(Correlation):
    """`g0 + g1 = r0 r1` modulo 2**bits, for bits r0 and r1."""

    def __init__(self, count: int, bits: int, word: int) -> None:
        self.count, self.bits, self.word = count, bits, word

    def fields(self, role: Role) -> tuple[Field, ...]:
        r = Field("r", (self.count,), planes=True, kind=BITS, own=True)
        return r, Field("g", (self.count,), self.bits, kind=BITS if role is Role.SERVER else None)

    def deal(self, server: Fields, client: Fields) -> Fields:
        both = from_plane(server["r"] & client["r"], self.count, self.word)
        return {"g": both - server["g"]}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """The server offers k0 or k0 + r0; the client takes by its r1 (correlated transfer with one correction)."""
        bits, total = from_plane(own["r"], self.count, self.word).reshape(-1), count * self.count
        if role is Role.SERVER:
            first, second = transfers.offer(total).words(slice(0, total), 1, self.bits, self.word)
            transfers.channel.send(pack_dense(first - second + bits[:, None], self.bits))
            return {"g": reduced(-first, self.bits).reshape(count, self.count)}
        taken = transfers.take(bits.astype(np.uint8)).words(slice(0, total), 1, self.bits, self.word)
        correction = unpack_dense(transfers.channel.receive(dense_size(total, self.bits)), total, self.bits, self.word)
        return {"g": reduced(taken[:, 0] + bits * correction, self.bits).reshape(count, self.count)}
