# SPDX-License-Identifier: Apache-2.0
"""A schedule: when which sequence was where, as plain data.

Cycles are counted from the first input beat, which is in cycle 0; `finished` and `cycles` count cycles, the last
output beat's included.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from gatewright.errors import DataError


@dataclass(frozen=True)
class Visit:
    """One sequence on its way through the machine.

    Attributes:
        sequence: its number, as the caller counts.
        tokens: of its input.
        arrival: cycle before which it is not there.
        started: cycle of its first input beat.
        finished: cycles until its last output beat.
    """

    sequence: int
    tokens: int
    arrival: int
    started: int
    finished: int


@dataclass(frozen=True)
class Span:
    """One sequence in one block.

    Attributes:
        block, sequence, iteration: which ones; the iteration counts from 0 and is 0 where nothing goes round.
        start: cycle in which the block took the sequence's first token.
        first, end: cycles in which the first and the last token of the result left.
        busy: cycles of work, those of the block's slowest stage.
    """

    block: str
    sequence: int
    iteration: int
    start: int
    first: int
    end: int
    busy: int


@dataclass(frozen=True)
class Mark:
    """Most tokens that were on the link into an input of a block, and how many fit (None: no end)."""

    block: str
    port: int
    peak: int
    depth: int | None


@dataclass(frozen=True)
class Flight:
    """What is in flight from a cycle on, until the next entry."""

    cycle: int
    tokens: int
    sequences: int


@dataclass(frozen=True)
class Schedule:
    """What a policy makes of a batch on a machine.

    Attributes:
        policy, machine: their names.
        cycles: of the whole batch (makespan).
        visits: one per sequence, by its number.
        order: numbers of the sequences in the order in which they entered.
        blocks: names, in the order of the data flow.
        spans: every sequence in every block, per block in the order of time.
        marks: high-water marks of the links, where the machine has any.
        occupancy: sequences in flight and their tokens over time, rising in cycles. Of a pipeline, all tokens of the
            sequences that have started and not finished; of a ring, tokens admitted that have not left.
        slots, sequences: most tokens and sequences that may be in flight; None without limit.
        iterations: how often a sequence passes through the blocks of the loop.
    """

    policy: str
    machine: str
    cycles: int
    visits: tuple[Visit, ...]
    order: tuple[int, ...]
    blocks: tuple[str, ...]
    spans: tuple[Span, ...]
    marks: tuple[Mark, ...] = ()
    occupancy: tuple[Flight, ...] = ()
    slots: int | None = None
    sequences: int | None = None
    iterations: int = 1

    @cached_property
    def busy(self) -> dict[str, int]:
        """Cycles of work of each block."""
        found = dict.fromkeys(self.blocks, 0)
        for span in self.spans:
            found[span.block] += span.busy
        return found

    @property
    def utilisation(self) -> dict[str, float]:
        """Share of the makespan in which each block was at work."""
        return {name: cycles / self.cycles for name, cycles in self.busy.items()}

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each sequence."""
        return tuple(v.tokens for v in self.visits)

    @property
    def most(self) -> Flight:
        """Most tokens and most sequences in flight, and the cycle in which the tokens were most."""
        top = max(self.occupancy, key=lambda f: f.tokens, default=Flight(0, 0, 0))
        return replace(top, sequences=max((f.sequences for f in self.occupancy), default=0))

    def gantt(self, path: str | Path, clock_mhz: float | None = None, title: str = "") -> Path:
        """Draw the blocks over time, one color per sequence; see `trace_gantt.draw`.

        Raises:
            ToolError: matplotlib is not installed.
            DataError: the suffix is neither .svg nor .png.
        """
        from gatewright.scheduler.trace_gantt import draw

        return draw(self, Path(path), clock_mhz, title)

    def as_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists, for a file."""
        return asdict(self)

    def save(self, path: str | Path) -> None:
        """Write `as_json` to a file."""
        Path(path).write_text(json.dumps(self.as_json()) + "\n")


def from_json(data: Mapping[str, Any]) -> Schedule:
    """Inverse of `Schedule.as_json`.

    Raises:
        DataError: a key is missing or unknown.
    """
    parts: dict[str, type] = {"visits": Visit, "spans": Span, "marks": Mark, "occupancy": Flight}
    try:
        found: dict[str, Any] = {k: tuple(v) if isinstance(v, list | tuple) else v for k, v in data.items()}
        for key, kind in parts.items():
            found[key] = tuple(kind(**row) for row in data[key])
        return Schedule(**found)
    except (KeyError, TypeError) as error:
        raise DataError("schedule", f"bad or missing key: {error}", "the form that Schedule.as_json writes") from None


def steps(changes: Iterable[tuple[int, int, int]]) -> tuple[Flight, ...]:
    """Occupancy from changes (cycle, tokens more, sequences more), in any order."""
    at: dict[int, list[int]] = {}
    for cycle, more, sequences in changes:
        both = at.setdefault(cycle, [0, 0])
        both[0] += more
        both[1] += sequences
    tokens = inside = 0
    found = []
    for cycle in sorted(at):
        tokens += at[cycle][0]
        inside += at[cycle][1]
        found.append(Flight(cycle, tokens, inside))
    return tuple(found)
