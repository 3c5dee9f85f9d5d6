# SPDX-License-Identifier: Apache-2.0
"""What a correlation is: fields of both parties, per query."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatewright.secure.role import Role
from gatewright.secure.words import Words, packed_size

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers

BITS = 7
"""Kind of stream for everything that has no kind of its own."""

Fields = Mapping[str, Words]
"""By name: [queries, *shape] words, or [queries, .., bytes] planes; without the first axis when once per model."""


@dataclass(frozen=True)
class Field:
    """An array of one party.

    Attributes:
        name: unique among its party's fields of the correlation.
        shape: per query; the last axis counts elements.
        bits: of the ring in which it is needed; words from a stream have all bits of a word.
        planes: one bit per element, eight to a byte.
        kind: of the stream that the owner expands it from when there is a dealer; None: a correction comes.
        own: the owner expands it whatever the source, as it is random and nobody else's.
        model: once per model instead of per query.
    """

    name: str
    shape: tuple[int, ...]
    bits: int = 1
    planes: bool = False
    kind: int | None = None
    own: bool = False
    model: bool = False

    @property
    def stored(self) -> tuple[int, ...]:
        """Shape per query as an array: of words, or of bytes."""
        return (*self.shape[:-1], -(-self.shape[-1] // 8)) if self.planes else self.shape

    @property
    def count(self) -> int:
        """Words, or bytes of planes, per query."""
        total = 1
        for side in self.stored:
            total *= side
        return total

    @property
    def size(self) -> int:
        """Bytes per query when it is stored or sent."""
        return self.count if self.planes else packed_size(self.count, self.bits)

    def seeded(self, dealer: bool) -> bool:
        """Whether the owner expands it from the seed."""
        return self.own or (dealer and self.kind is not None)


class Correlation(ABC):
    """Random arrays of two parties that fulfil an equation."""

    @abstractmethod
    def fields(self, role: Role) -> tuple[Field, ...]:
        """Arrays of a party, in stream order."""

    def fix(self, server: Fields) -> None:
        """Keep the server's arrays that are drawn once per model, before `deal` or `transfer`; by default none."""
        return None

    @abstractmethod
    def deal(self, server: Fields, client: Fields) -> Fields:
        """The client's arrays without a stream, such that the equation holds.

        Args:
            server, client: what streams gave them, for some queries.
        """

    @abstractmethod
    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """One party's side of making `count` queries' arrays without a dealer.

        Args:
            transfers: oblivious transfers in both directions.
            own: this party's arrays that are marked `own`.

        Returns:
            This party's other arrays.
        """
