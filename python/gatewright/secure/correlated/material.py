# SPDX-License-Identifier: Apache-2.0
"""A party's correlated randomness: a seed, what came from a dealer or transfers, and what is gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright.errors import LinkError, ReuseError
from gatewright.secure.correlated.correlation import Correlation, Field, Fields
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.stream import KINDS, PER_MODEL, keystream
from gatewright.secure.words import pack, unpack, word_type

Drawn = Mapping[str, Fields]
"""A step's arrays, by correlation and field."""


@dataclass(frozen=True)
class Place:
    """Where a field of a step's correlation is found.

    Attributes:
        step: index in the program.
        correlation: name of the correlation in the step.
        field: what it is.
        start: byte in the stream of its kind, or in the query's stored bytes.
        seeded: in the stream.
    """

    step: int
    correlation: str
    field: Field
    start: int
    seeded: bool


def places(program: Program, role: Role, dealer: bool) -> tuple[Place, ...]:
    """Every field of a party. Fields of one kind of a step follow each other in its stream, each from a whole word."""
    found: list[Place] = []
    stored, unit = 0, program.word // 8
    for index, step in enumerate(program.steps):
        used = [0] * KINDS
        for name, correlation in step.correlations().items():
            for field in correlation.fields(role):
                if field.seeded(dealer):
                    assert field.kind is not None
                    found.append(Place(index, name, field, used[field.kind], True))
                    size = field.count if field.planes else field.count * unit
                    used[field.kind] += -(-size // unit) * unit
                else:
                    found.append(Place(index, name, field, stored, False))
                    stored += field.size
    return tuple(found)


def stored_size(program: Program, role: Role, dealer: bool) -> int:
    """Bytes per query that a party keeps beside its seed: from a dealer, or from transfers."""
    return sum(p.field.size for p in places(program, role, dealer) if not p.seeded)


def expand(program: Program, place: Place, seed: bytes, queries: Sequence[int]) -> npt.NDArray[np.generic]:
    """A seeded field: [queries, *stored] from the owner's streams."""
    field = place.field
    kind = np.dtype(np.uint8) if field.planes else word_type(program.word)
    assert field.kind is not None
    stream, size = place.step * KINDS + field.kind, field.count * kind.itemsize
    parts = [keystream(seed, stream, q, place.start + size)[place.start :] for q in queries]
    return np.frombuffer(b"".join(parts), kind).reshape(len(parts), *field.stored)


def per_model(program: Program, role: Role, seed: bytes) -> dict[tuple[int, str], Fields]:
    """Fields that are drawn once per model, by step and correlation."""
    found: dict[tuple[int, str], dict[str, npt.NDArray[np.generic]]] = {}
    for place in places(program, role, False):
        if place.field.model:
            array = expand(program, place, seed, [PER_MODEL])[0]
            found.setdefault((place.step, place.correlation), {})[place.field.name] = array
    return dict(found)


def drawn_from(
    program: Program,
    role: Role,
    dealer: bool,
    seed: bytes,
    queries: Sequence[int],
    stored: npt.NDArray[np.uint8] | None,
) -> list[Drawn]:
    """Every field of some queries, by step.

    Args:
        stored: [queries, bytes] what is not seeded; None: leave it out.
    """
    steps: list[dict[str, dict[str, npt.NDArray[np.generic]]]] = [
        {name: {} for name in step.correlations()} for step in program.steps
    ]
    for place in places(program, role, dealer):
        field = place.field
        if field.model or (not place.seeded and stored is None):
            continue
        if place.seeded:
            array = expand(program, place, seed, queries)
        else:
            assert stored is not None
            part = np.ascontiguousarray(stored[:, place.start : place.start + field.size])
            shape = (len(queries), *field.stored)
            array = part.reshape(shape) if field.planes else unpack(part.tobytes(), shape, field.bits, program.word)
        steps[place.step][place.correlation][field.name] = array
    return [dict(step.items()) for step in steps]


def to_stored(
    program: Program, role: Role, dealer: bool, arrays: Mapping[tuple[int, str], Fields], count: int
) -> npt.NDArray[np.uint8]:
    """Arrays of `count` queries as they are stored: [queries, bytes]."""
    out = np.zeros((count, stored_size(program, role, dealer)), np.uint8)
    for place in places(program, role, dealer):
        if not place.seeded:
            field, array = place.field, arrays[place.step, place.correlation][place.field.name]
            payload = array.tobytes() if field.planes else pack(array, field.bits)
            out[:, place.start : place.start + field.size] = np.frombuffer(payload, np.uint8).reshape(count, -1)
    return out


class Material:
    """One party's correlated randomness. Every query's can be taken once.

    Args:
        program: what it is for.
        role: whose it is.
        seed: the party's secret.
        dealer: stored bytes are a dealer's corrections; else they come from transfers.
    """

    def __init__(self, program: Program, role: Role, seed: bytes, dealer: bool = True) -> None:
        self.program, self.role, self.dealer, self._seed = program, role, dealer, seed
        self.size = stored_size(program, role, dealer)
        self._stored: dict[int, bytes] = {}
        self._next = 0

    @property
    def next_query(self) -> int:
        """The first query that has not been taken; no query before it will ever be given out."""
        return self._next

    def per_model(self) -> dict[tuple[int, str], Fields]:
        """What is drawn once per model."""
        return per_model(self.program, self.role, self._seed)

    def add(self, first: int, stored: bytes | memoryview) -> None:
        """Keep the stored bytes of consecutive queries from `first` on, `size` bytes each.

        Raises:
            LinkError: not a whole number of queries.
        """
        if len(stored) % self.size if self.size else len(stored):
            raise LinkError("correlated randomness", f"{len(stored)} bytes", f"a multiple of {self.size} bytes")
        for k in range(len(stored) // self.size if self.size else 0):
            self._stored[first + k] = bytes(stored[k * self.size : (k + 1) * self.size])

    def take(self, queries: range) -> list[Drawn]:
        """All arrays of consecutive queries, by step. They and all queries before them are gone then.

        Raises:
            ReuseError: a query has been taken, or nothing is stored for it.
        """
        self._check(queries)
        self._next = queries.stop
        stored = None
        if self.size:
            rows = b"".join(self._stored.pop(q) for q in queries)
            stored = np.frombuffer(rows, np.uint8).reshape(len(queries), self.size)
            for gone in [q for q in self._stored if q < self._next]:
                del self._stored[gone]
        return drawn_from(self.program, self.role, self.dealer, self._seed, queries, stored)

    def _check(self, queries: range) -> None:
        if not len(queries) or queries.step != 1:
            raise ReuseError("queries", f"{queries}", "one or more consecutive queries")
        if queries.start < self._next:
            raise ReuseError(
                "queries", f"{queries.start} to {queries.stop - 1}", f"{self._next} and up; the others may be used"
            )
        if self.size:
            missing = list(self._missing(queries))
            if missing:
                source = "ask the dealer" if self.dealer else "run transfers"
                raise ReuseError(
                    "correlated randomness", f"none for query {missing[0]}", f"{len(self._stored)} stored", source
                )

    def _missing(self, queries: range) -> Iterator[int]:
        return (q for q in queries if q not in self._stored)


__all__ = ["Correlation", "Drawn", "Material", "Place", "drawn_from", "per_model", "places", "stored_size", "to_stored"]
