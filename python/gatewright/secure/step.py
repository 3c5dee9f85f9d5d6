# SPDX-License-Identifier: Apache-2.0
"""What a step of a two-party program is: public shapes and rings, and what each party computes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar

from gatewright.fixed import Ints
from gatewright.secure.words import Words

if TYPE_CHECKING:
    from typing import Self

    from gatewright.secure.correlated.correlation import Correlation
    from gatewright.secure.side import Side

Secret = Mapping[str, Ints]
"""The server's integers of a step."""


@dataclass(frozen=True)
class Exchange:
    """One round of a query: bytes from the client to the server, and back, at the same time."""

    up: int
    down: int


@dataclass
class Prepared:
    """What a party has made of a step before the query.

    Attributes:
        result: the party's share of the result, where it does not depend on the query.
        data: the step's own.
    """

    result: Words | None = None
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step(ABC):
    """A public step. Shares are words [queries, tokens, channels].

    Attributes:
        inputs: indices of the steps whose results it reads.
        tokens, channels: shape of its result for one query.
        bits: the result is shared modulo 2**bits.
        word: bits of a word.
    """

    known: ClassVar[dict[str, type[Step]]] = {}

    inputs: tuple[int, ...]
    tokens: int
    channels: int
    bits: int
    word: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not cls.__name__.startswith("_"):
            Step.known[cls.__name__] = cls

    @property
    def count(self) -> int:
        """Elements of the result for one query."""
        return self.tokens * self.channels

    @abstractmethod
    def needs(self) -> tuple[int, ...]:
        """Ring bits that each input must have, for a result of `bits` bits."""

    def most(self) -> int:
        """Ring bits that the result can have at most."""
        return self.word

    def fits(self, *sources: Step) -> bool:
        """Whether shape and attributes are possible on these inputs; here: element by element."""
        shape = self.tokens, self.channels
        return bool(sources) and all((s.tokens, s.channels) == shape for s in sources)

    def at(self, bits: int) -> Self:
        """The step with a result of `bits` bits."""
        return replace(self, bits=bits)

    def correlations(self) -> dict[str, Correlation]:
        """Correlated randomness that a query uses up."""
        return {}

    def exchanges(self) -> tuple[Exchange, ...]:
        """Messages of a query, in order."""
        return ()

    def per_model(self) -> int:
        """Bytes that the server sends once per model."""
        return 0

    def set_up(self, side: Side) -> None:
        """Once per model: exchange what is used by every query, keep it in `side.kept`; by default nothing."""
        return None

    def prepare(self, side: Side, *shares: Words | None) -> Prepared:
        """Before the query: whatever does not depend on it.

        Args:
            shares: the party's shares of the inputs, where they are known already.
        """
        return Prepared()

    @abstractmethod
    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        """The party's share of the result."""


@dataclass(frozen=True)
class _Local(Step):
    """A step without messages: each party computes on its own share."""

    @abstractmethod
    def local(self, side: Side, *shares: Words) -> Words:
        """The party's share of the result."""

    def prepare(self, side: Side, *shares: Words | None) -> Prepared:
        known = [s for s in shares if s is not None]
        return Prepared(self.local(side, *known) if len(known) == len(shares) else None)

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        return self.local(side, *shares) if prepared.result is None else prepared.result
