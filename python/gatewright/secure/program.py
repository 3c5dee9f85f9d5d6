# SPDX-License-Identifier: Apache-2.0
"""A network as two parties run it: public steps, and the server's secret integers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gatewright.errors import FormatError, RingError
from gatewright.fixed import Fixed
from gatewright.graph import Graph
from gatewright.ops._window import Window
from gatewright.secure.geometry import Geometry
from gatewright.secure.legality import check, check_fields
from gatewright.secure.step import Exchange, Secret, Step

if TYPE_CHECKING:
    pass

VERSION = 1
"""Of the protocol: what steps compute and how messages and streams are laid out."""


@dataclass(frozen=True)
class Program:
    """What both parties know of a network: shapes, formats, rings, coefficients of activations.

    Attributes:
        name: of the network.
        word: bits of a word.
        input, output: number formats.
        steps: in order; the first is the input, the last reveals the output to the client.
    """

    name: str
    word: int
    input: Fixed
    output: Fixed
    steps: tuple[Step, ...]

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Rounds of one query and their bytes; a batch of N has as many rounds and N times the bytes."""
        return tuple(e for step in self.steps for e in step.exchanges())

    @property
    def rounds(self) -> int:
        """Rounds of a query."""
        return len(self.exchanges)

    @property
    def up(self) -> int:
        """Bytes of a query from the client to the server."""
        return sum(e.up for e in self.exchanges)

    @property
    def down(self) -> int:
        """Bytes of a query from the server to the client."""
        return sum(e.down for e in self.exchanges)

    @property
    def per_model(self) -> int:
        """Bytes from the server to the client, once per model."""
        return sum(step.per_model() for step in self.steps)

    def to_json(self) -> str:
        """One line of text."""
        return json.dumps(_encode(self) | {"version": VERSION}, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str) -> Program:
        """Inverse of `to_json`.

        Raises:
            RingError: not such a text, of another version, or a program that nobody would have planned.
        """
        import gatewright.secure.steps  # noqa: F401  known by being imported

        try:
            data = json.loads(text)
            if data.pop("version") != VERSION:
                raise RingError("program", "of another version", f"version {VERSION}", "update both parties")
            found = _decode(data)
            if not isinstance(found, Program):
                raise TypeError(type(found).__name__)
            check_fields(found)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, FormatError) as error:
            raise RingError("program", f"not readable ({type(error).__name__})", "text of Program.to_json") from None
        check(found)
        return found

    @cached_property
    def _digest(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def fingerprint(self) -> str:
        """SHA-256 of the text, in hexadecimal: equal at both parties, or they must not talk."""
        return self._digest


@dataclass(frozen=True, eq=False)
class Secrets:
    """What only the server knows.

    Attributes:
        steps: per step of the program, integer arrays by name; empty for most.
    """

    steps: tuple[Secret, ...]


def compile_program(graph: Graph, word: int = 64, margin: int = 1, ride_along: bool = True) -> tuple[Program, Secrets]:
    """Plan a network for two parties.

    Args:
        graph: one input, one output, a fixed number of tokens.
        word: 32 or 64.
        margin: bits by which a value before saturation may exceed its format; saturation itself is not computed.
        ride_along: quadratic activations widen the ring in their own round, which takes a dealer; else they are
            widened first and cost a second round, and randomness can come from oblivious transfer.

    Raises:
        RingError: an operator has no two-party protocol, or a value does not fit the word.
    """
    from gatewright.secure.planner import plan

    return plan(graph, word, margin, ride_along)


def _encode(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: _encode(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"is": type(value).__name__} | inner
    if isinstance(value, tuple):
        return [_encode(v) for v in value]
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode(v) for v in value)
    if not isinstance(value, Mapping):
        return value
    plain = {c.__name__: c for c in (Program, Fixed, Geometry, Window)}
    fields = dict(value)
    name = fields.pop("is")
    kind = plain.get(name) or Step.known[name]
    return kind(**{k: _decode(v) for k, v in fields.items()})


__all__ = ["Program", "Secrets", "compile_program"]
