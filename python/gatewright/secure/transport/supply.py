# SPDX-License-Identifier: Apache-2.0
"""Where a party's correlated randomness comes from, query by query: a session with a dealer, or the peer itself.

Both burn indices before anything of them is made.
"""

from __future__ import annotations

from typing import Protocol

from gatewright.errors import ReuseError
from gatewright.secure.channel import Channel
from gatewright.secure.correlated.material import Material
from gatewright.secure.correlated.transfer import Transfers, generate
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.stream import fresh_seed
from gatewright.secure.transport.session import Session

MOST = 1 << 24
"""Queries of one connection without a dealer."""


class Supply(Protocol):
    """Randomness for queries that come in order.

    Attributes:
        material: what the party computes with.
    """

    material: Material

    @property
    def next(self) -> int:
        """The first index that may be asked for."""
        ...

    @property
    def left(self) -> int:
        """Queries that there is, or can be made, randomness for."""
        ...

    def burn(self, queries: range) -> None:
        """Use up indices, for good.

        Raises:
            ReuseError: one may have been used before.
        """

    def provide(self, queries: range) -> None:
        """Put the randomness of burnt indices into `material`."""

    def close(self) -> None:
        """Release what is held."""


class Dealt:
    """From a session with a dealer; the client's corrections are files until they are used."""

    def __init__(self, program: Program, role: Role, session: Session) -> None:
        self._session, self._role = session, role
        self.material = Material(program, role, session.seed(), dealer=True)

    @property
    def next(self) -> int:
        """The first index that this party has not burnt."""
        return self._session.ledger.next

    @property
    def left(self) -> int:
        """Of the session."""
        return self._session.left

    def burn(self, queries: range) -> None:
        """On disk, when this returns."""
        self._session.burn(queries.start, len(queries))

    def provide(self, queries: range) -> None:
        """The server expands its seed alone; the client reads its files, which are gone then."""
        if self._role is Role.CLIENT and self.material.size:
            self.material.add(queries.start, b"".join(self._session.take(k) for k in queries))

    def close(self) -> None:
        """Release the session."""
        self._session.close()


class Transferred:
    """From oblivious transfers with the peer, made when they are asked for.

    Its seed is fresh and only in memory, and so are its indices: no crash can bring one back.
    """

    def __init__(self, program: Program, role: Role, channel: Channel) -> None:
        self._seed, self._role, self._channel = fresh_seed(), role, channel
        self._transfers: Transfers | None = None
        self.material = Material(program, role, self._seed, dealer=False)
        self.next = 0
        self.left = MOST

    def burn(self, queries: range) -> None:
        """In memory."""
        if queries.start < self.next:
            problem = f"query indices from {queries.start} on; all below {self.next} are used up"
            raise ReuseError("oblivious transfer", problem, f"indices from {self.next} on")
        self.next, self.left = queries.stop, MOST - queries.stop

    def provide(self, queries: range) -> None:
        """Both parties at the same time: the curve's transfers before the first queries, then the extended ones."""
        self._transfers = self._transfers or Transfers(self._role, self._channel)
        stored = generate(self.material.program, self._transfers, self._seed, queries)
        if self.material.size:
            self.material.add(queries.start, stored)

    def close(self) -> None:
        """Nothing is held."""
