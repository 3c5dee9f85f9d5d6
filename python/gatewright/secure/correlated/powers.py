# SPDX-License-Identifier: Apache-2.0
"""A mask of a small ring, as an unsigned and as a signed number, and the squares of both, shared in a large ring."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import numpy as np

from gatewright.errors import RingError
from gatewright.secure.correlated.correlation import Correlation, Field, Fields
from gatewright.secure.role import Role
from gatewright.secure.words import reduced

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers


class Powers(Correlation):
    """Shares modulo 2**bits of q, q**2, q', q'**2; q is uniform in [0, 2**source), q' the same as a signed number.

    q is the dealer's own; the client's four shares are all corrections.
    """

    NAMES = (("u", 3), ("uu", 4), ("s", 5), ("ss", 6))

    def __init__(self, tokens: int, channels: int, source: int, bits: int, word: int) -> None:
        self.shape, self.source, self.bits, self.word = (tokens, channels), source, bits, word

    def fields(self, role: Role) -> tuple[Field, ...]:
        # The opened value is known in `source` bits: the result needs no fewer.
        bits = max(self.bits, self.source)
        if role is Role.SERVER:
            return tuple(Field(name, self.shape, bits, kind=kind) for name, kind in self.NAMES)
        return tuple(Field(name, self.shape, bits) for name, _ in self.NAMES)

    def deal(self, server: Fields, client: Fields) -> Fields:
        kind = server["u"].dtype.type
        shape = server["u"].shape
        q = reduced(
            np.frombuffer(secrets.token_bytes(server["u"].nbytes), server["u"].dtype).reshape(shape), self.source
        )
        low = q - ((q >> kind(self.source - 1)) << kind(self.source)) if self.source < self.word else q
        values = {"u": q, "uu": q * q, "s": low, "ss": low * low}
        return {name: value - server[name] for name, value in values.items()}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        raise RingError(
            "x2act", "widening in its own round, without a dealer", "a dealer", "compile with ride_along=False"
        )
