# SPDX-License-Identifier: Apache-2.0
"""The folding problem and its answer as plain data: operators, their legal foldings, a budget, lengths; a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gatewright.errors import DataError
from gatewright.scheduler.lengths import Lengths

ONE = Lengths((1,), (1.0,))
"""Where lengths do not vary."""


@dataclass(frozen=True)
class Choice:
    """One legal folding of an operator. Figures are per distinct length of the problem, for one pass.

    Attributes:
        key: what the caller calls it; any JSON value.
        cycles: cycles per sequence in steady state.
        cost: amount of each resource; what is not named costs nothing.
        delay: cycles from the arrival of the tokens that the first result needs to that result.
        span: cycles from the first result to the last at full speed; `cycles` where not given.
        reads, writes: elements per beat of its inputs and of its output; 0 where it passes on what comes.
    """

    key: Any
    cycles: tuple[float, ...]
    cost: Mapping[str, float] = field(default_factory=dict)
    delay: tuple[float, ...] = ()
    span: tuple[float, ...] = ()
    reads: int = 0
    writes: int = 0


@dataclass(frozen=True)
class Options:
    """An operator and all its legal foldings.

    Attributes:
        name: of the operator.
        choices: its foldings.
        inputs: operators that it reads; those of the design's own inputs are left out.
        wait: per distinct length, share of its input that must be there before its first result; none where not given.
        elements: per distinct length, elements of its output in one pass. Between ports of a and b elements per beat of
            which neither divides the other, only gcd(a, b) elements pass per cycle.
    """

    name: str
    choices: tuple[Choice, ...]
    inputs: tuple[str, ...] = ()
    wait: tuple[float, ...] = ()
    elements: tuple[float, ...] = ()


@dataclass(frozen=True)
class Repeat:
    """Operators that a sequence passes several times, as in a token ring.

    Attributes:
        operators: those inside, in the problem's order.
        times: passes per sequence.
        entry: the operator that they read in the first pass; further passes read `exit` instead.
        exit: the operator whose results go round.
    """

    operators: tuple[str, ...]
    times: int
    entry: str = ""
    exit: str = ""


@dataclass(frozen=True)
class Problem:
    """What to fold, and into what.

    Attributes:
        operators: in topological order.
        budget: amount of each resource; a resource that is not named is free.
        lengths: what the figures of the choices are given for.
        repeats: operators that are passed several times.
    """

    operators: tuple[Options, ...]
    budget: Mapping[str, float]
    lengths: Lengths = ONE
    repeats: tuple[Repeat, ...] = ()

    def __post_init__(self) -> None:
        if not self.operators:
            raise DataError("problem", "no operators", "at least one")
        known: set[str] = set()
        for one in self.operators:
            place = f"operator {one.name}"
            if one.name in known:
                raise DataError(place, "is there twice", "one of each name")
            for value in one.inputs:
                if value not in known:
                    raise DataError(place, f"reads {value}", f"operators before it: {', '.join(sorted(known))}")
            known.add(one.name)
            if not one.choices:
                raise DataError(place, "no legal folding", "at least one")
            for figures in (one.wait, one.elements, *(f for c in one.choices for f in (c.delay, c.span))):
                self._check(place, figures, optional=True)
            for choice in one.choices:
                self._check(place, choice.cycles)
            if any(c.writes for c in one.choices):
                self._check(f"{place}, elements", one.elements)
        for repeat in self.repeats:
            unknown = {*repeat.operators, repeat.entry, repeat.exit} - {"", *known}
            if unknown or repeat.times < 1:
                raise DataError("repeat", f"{sorted(unknown)}, {repeat.times} times", "known operators, 1 and up")

    def _check(self, place: str, figures: tuple[float, ...], optional: bool = False) -> None:
        if len(figures) != len(self.lengths.values) and not (optional and not figures):
            raise DataError(place, f"figures for {len(figures)} lengths", f"{len(self.lengths.values)} lengths")

    @cached_property
    def links(self) -> tuple[tuple[str, str], ...]:
        """(writer, reader) of every stream between operators with ports; operators without are wire.

        Inside a `Repeat` the streams that count are those of the last pass.
        """
        found: dict[tuple[str, str], None] = {}
        for one in self.operators:
            if any(c.reads for c in one.choices):
                for event in self._reads(one.name, self.times(one.name) - 1):
                    found.update(dict.fromkeys((writer, one.name) for writer in sorted(self._writers(*event))))
        return tuple(found)

    def _reads(self, name: str, number: int) -> list[tuple[str, int]]:
        """What an operator reads in one of its passes, and of which pass that is."""
        repeat = next((r for r in self.repeats if name in r.operators), None)
        inside = repeat.operators if repeat else ()
        again = repeat if repeat and number and repeat.exit else None
        return [
            (again.exit, number - 1)
            if again and value == again.entry
            else (value, number if value in inside else self.times(value) - 1)
            for value in self.by_name[name].inputs
        ]

    def _writers(self, name: str, number: int) -> set[str]:
        """The operators with ports whose output this one's is, as wire."""
        if any(c.writes for c in self.by_name[name].choices):
            return {name}
        return {w for event in self._reads(name, number) for w in self._writers(*event)}

    @cached_property
    def by_name(self) -> dict[str, Options]:
        """Operators by name."""
        return {o.name: o for o in self.operators}

    def times(self, name: str) -> int:
        """Passes of a sequence through an operator."""
        return next((r.times for r in self.repeats if name in r.operators), 1)


@dataclass(frozen=True)
class Plan:
    """Chosen foldings, and what is known of them.

    Attributes:
        chosen: per operator.
        cycles: expected cycles per sequence in steady state: of the operator with most to do.
        latency: expected cycles of one sequence alone.
        total: amount of each budgeted resource.
        loads: expected cycles per sequence of each operator, over all its passes.
        objective: what was minimised.
        value: of the objective.
        bound: no plan within the budget has a smaller value, as far as was proven; 0 if nothing is known.
        method: who chose.
    """

    chosen: Mapping[str, Choice]
    cycles: float
    latency: float
    total: Mapping[str, float]
    loads: Mapping[str, float]
    objective: str = ""
    value: float = 0.0
    bound: float = 0.0
    method: str = ""

    @property
    def gap(self) -> float:
        """By how much of the bound the value may be above the optimum; infinite if no bound is known."""
        if self.value <= self.bound * (1 + 1e-9):
            return 0.0
        return self.value / self.bound - 1 if self.bound > 0 else float("inf")
