# SPDX-License-Identifier: Apache-2.0
"""Bit triples in which one factor serves two products."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gatewright.secure.correlated.correlation import BITS, Correlation, Field, Fields
from gatewright.secure.role import Role

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers


class Merge(Correlation):
    """Shared bits a, b, bb and `c = a and b`, `cc = a and bb`; bb and cc for all pairs but the first.

    Args:
        pairs: planes of a and b.
        count: elements of a plane.
    """

    def __init__(self, pairs: int, count: int) -> None:
        self.pairs, self.count = pairs, count

    def fields(self, role: Role) -> tuple[Field, ...]:
        full, rest = (self.pairs, self.count), (self.pairs - 1, self.count)
        product = BITS if role is Role.SERVER else None
        free = [Field(n, s, planes=True, kind=BITS) for n, s in (("a", full), ("b", full), ("bb", rest))]
        return (*free, Field("c", full, planes=True, kind=product), Field("cc", rest, planes=True, kind=product))

    def deal(self, server: Fields, client: Fields) -> Fields:
        a, b, bb = (server[n] ^ client[n] for n in ("a", "b", "bb"))
        return {"c": (a & b) ^ server["c"], "cc": (a[:, 1:] & bb) ^ server["cc"]}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """Two random transfers of two bits: a party's b, bb are where its two offers differ, a is what it chose."""
        shape = (count, self.pairs, -(-self.count // 8))
        # Both directions, the server's offer first.
        if role is Role.SERVER:
            first, second = transfers.offered_bits(shape, 2)
            a, taken = transfers.taken_bits(shape, 2)
        else:
            a, taken = transfers.taken_bits(shape, 2)
            first, second = transfers.offered_bits(shape, 2)
        b, bb = (x ^ y for x, y in zip(first, second, strict=True))
        c, cc = ((a & d) ^ x ^ t for d, x, t in zip((b, bb), first, taken, strict=True))
        rest = np.s_[:, 1:]
        return {"a": a, "b": b, "bb": bb[rest], "c": c, "cc": cc[rest]}
