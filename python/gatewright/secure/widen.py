# SPDX-License-Identifier: Apache-2.0
"""Shares modulo 2**m to shares modulo more, with one product of two private bits.

Guo et al., "Improved secure two-party computation from a geometric perspective", USENIX Security 2025.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.secure.correlated.correlation import Fields
from gatewright.secure.role import Role
from gatewright.secure.words import Planes, Words, from_plane, reduced, to_plane


@dataclass(frozen=True)
class Widening:
    """`x = x0 + x1 - 2**source * wrap` over the integers, for -2**(source - 2) <= x < 2**(source - 2).

    With Q = 2**(source - 2): a0 = ((x0 - Q) mod 2**source >= 2**(source - 1)), a1 = (x1 >= 2**(source - 1)), each known
    to one party; wrap = a0 a1 + 1 - (x0 < Q). Both open a_i xor r_i and have shares g_i of r0 r1.

    Attributes:
        source: ring bits before.
    """

    source: int

    def masked(self, role: Role, x: Words, drawn: Fields) -> Planes:
        """This party's masked bit: [queries, elements] to [queries, bytes]."""
        x, kind = reduced(x, self.source), x.dtype.type
        if role is Role.SERVER:
            x = reduced(x - kind(1 << (self.source - 2)), self.source)
        own = (x >> kind(self.source - 1)).astype(np.bool_)
        return to_plane(own) ^ drawn["r"]

    def finish(self, role: Role, x: Words, drawn: Fields, own: Planes, answer: bytes) -> Words:
        """This party's share in the wider ring.

        Args:
            own: what `masked` gave.
            answer: the peer's.
        """
        elements, kind = x.shape[1], x.dtype.type
        word = x.dtype.itemsize * 8
        x = reduced(x, self.source)
        peer = np.frombuffer(answer, np.uint8).reshape(own.shape)
        mine, theirs, r = (from_plane(p, elements, word) for p in (own, peer, drawn["r"]))
        # (mine xor r)(theirs xor r'), with b xor r = b + (1 - 2 b) r.
        my_sign, their_sign = kind(1) - mine - mine, kind(1) - theirs - theirs
        wrap = theirs * my_sign * r + my_sign * their_sign * drawn["g"]
        if role is Role.SERVER:
            wrap = wrap + mine * theirs + (x >= kind(1 << (self.source - 2))).astype(x.dtype)
        found: Words = x - (wrap << kind(self.source))
        return found
