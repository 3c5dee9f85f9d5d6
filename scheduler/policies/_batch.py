# SPDX-License-Identifier: Apache-2.0
"""What policies share: a batch that fits a machine, and sending it by priority."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatewright.errors import DataError
from gatewright.scheduler.flow import Entry
from gatewright.scheduler.machine import Machine
from gatewright.scheduler.trace import Schedule, Span, Visit, steps


@dataclass(frozen=True)
class Batch:
    """Sequences with the machine's kinds of them.

    Attributes:
        kinds, lengths, arrival: per sequence.
    """

    kinds: tuple[int, ...]
    lengths: tuple[int, ...]
    arrival: tuple[int, ...]

    @staticmethod
    def of(machine: Machine, lengths: Sequence[int], arrival: Sequence[int]) -> Batch:
        """Raises DataError: no sequences, unknown length, or not one arrival time per sequence."""
        if not lengths:
            raise DataError("lengths", "no sequences", "one or more")
        times = tuple(arrival) or (0,) * len(lengths)
        if len(times) != len(lengths) or min(times) < 0:
            problem = f"{len(times)} times, the least {min(times)}, for {len(lengths)} sequences"
            raise DataError("arrival", problem, "one time per sequence, 0 and up")
        return Batch(tuple(kind_of(machine, n) for n in lengths), tuple(lengths), times)


def kind_of(machine: Machine, tokens: int) -> int:
    """The machine's kind of sequence of this length. Raises DataError if it has none."""
    if tokens not in machine.lengths:
        known = ", ".join(map(str, sorted(set(machine.lengths))))
        raise DataError("lengths", f"{tokens} tokens", known, "give the machine a kind of this length")
    return machine.lengths.index(tokens)


def send(
    name: str, machine: Machine, lengths: Sequence[int], arrival: Sequence[int], key: Callable[[int], int]
) -> Schedule:
    """Whenever the input is free, the sequence of least `key(length)` among those that are there; ties: the earlier.

    Args:
        name: of the policy.
    """
    batch = Batch.of(machine, lengths, arrival)
    coming = sorted(range(len(batch.kinds)), key=lambda i: (batch.arrival[i], i), reverse=True)
    waiting: list[tuple[int, int, int]] = []

    def following(now: int) -> Entry | None:
        if not waiting and coming:
            now = max(now, batch.arrival[coming[-1]])
        while coming and batch.arrival[coming[-1]] <= now:
            index = coming.pop()
            heapq.heappush(waiting, (key(batch.lengths[index]), batch.arrival[index], index))
        if not waiting:
            return None
        index = heapq.heappop(waiting)[-1]
        return Entry(index, batch.kinds[index], batch.arrival[index])

    return machine.run(following, name)


def closed(
    name: str, machine: Machine, batch: Batch, spans: Sequence[Span], blocks: Sequence[str], cycles: int
) -> Schedule:
    """A schedule of nothing but spans.

    Args:
        name: of the policy.
        spans: in the order of time; a sequence starts with its first one and is finished with its last one.
        cycles: of the batch.
    """
    started: dict[int, int] = {}
    finished: dict[int, int] = {}
    for span in spans:
        started.setdefault(span.sequence, span.start)
        finished[span.sequence] = span.end + 1
    visits = tuple(Visit(i, n, batch.arrival[i], started[i], finished[i]) for i, n in enumerate(batch.lengths))
    changes = [(v.started, v.tokens, 1) for v in visits] + [(v.finished, -v.tokens, -1) for v in visits]
    rank = {block: index for index, block in enumerate(blocks)}
    return Schedule(
        name,
        "closed form",
        cycles,
        visits,
        tuple(started),
        tuple(blocks),
        tuple(sorted(spans, key=lambda s: (rank[s.block], s.start))),
        occupancy=steps(changes),
        iterations=machine.iterations,
    )
