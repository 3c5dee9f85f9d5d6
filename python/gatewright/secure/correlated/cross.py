# SPDX-License-Identifier: Apache-2.0
"""Private random bits at each party, and bits whose sum modulo 2 is their product."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatewright.secure.correlated.correlation import BITS, Correlation, Field, Fields
from gatewright.secure.role import Role

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers


class Cross(Correlation):
    """`t0 xor t1 = r0 and r1`, for `planes` bits of `count` elements."""

    def __init__(self, planes: int, count: int) -> None:
        self.shape = (planes, count)

    def fields(self, role: Role) -> tuple[Field, ...]:
        r = Field("r", self.shape, planes=True, kind=BITS)
        return r, Field("t", self.shape, planes=True, kind=BITS if role is Role.SERVER else None)

    def deal(self, server: Fields, client: Fields) -> Fields:
        return {"t": (server["r"] & client["r"]) ^ server["t"]}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """A random transfer of one bit: r0 is where the server's two differ, r1 what the client chose."""
        shape = (count, self.shape[0], -(-self.shape[1] // 8))
        if role is Role.SERVER:
            first, second = transfers.offered_bits(shape, 1)
            return {"r": first[0] ^ second[0], "t": first[0]}
        choice, taken = transfers.taken_bits(shape, 1)
        return {"r": choice, "t": taken[0]}
