# SPDX-License-Identifier: Apache-2.0
"""A mask and its square."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewright.secure.correlated.correlation import BITS, Correlation, Field, Fields
from gatewright.secure.role import Role
from gatewright.secure.words import reduced

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers


class Square(Correlation):
    """Shares modulo 2**bits of q and q**2, with q uniform."""

    def __init__(self, tokens: int, channels: int, bits: int, word: int) -> None:
        self.shape, self.bits, self.word = (tokens, channels), bits, word

    def fields(self, role: Role) -> tuple[Field, ...]:
        q = Field("q", self.shape, self.bits, kind=BITS, own=True)
        return q, Field("qq", self.shape, self.bits, kind=BITS if role is Role.SERVER else None)

    def deal(self, server: Fields, client: Fields) -> Fields:
        q = server["q"] + client["q"]
        return {"qq": q * q - server["qq"]}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """(q0 + q1)**2 has one cross term, 2 q0 q1."""
        q = own["q"]
        # Twice the product: one bit less of it is enough.
        flat, bits = q.reshape(-1), max(1, self.bits - 1)
        share = transfers.serve(flat[:, None], bits) if role is Role.SERVER else transfers.choose(flat, 1, bits)
        return {"qq": reduced(q * q + share.reshape(q.shape) * q.dtype.type(2), self.bits)}
