# SPDX-License-Identifier: Apache-2.0
"""The two machines of the dynamic model through one interface: a streaming pipeline, and a token ring."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from gatewright.errors import DataError
from gatewright.scheduler.flow import Queue, Recorder, stream
from gatewright.scheduler.pipeline import Pipeline
from gatewright.scheduler.ring import Ring, stream_ring
from gatewright.scheduler.trace import Schedule, Visit, steps
from gatewright.scheduler.wiring import keeps_nothing


class Machine(Protocol):
    """What sequences can be sent through."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """Input tokens of each kind of sequence."""

    @property
    def body(self) -> Pipeline:
        """What a sequence passes through, `iterations` times."""

    @property
    def iterations(self) -> int:
        """Passes of every sequence."""

    def stream(self, queue: Queue, recorder: Recorder | None = None) -> Iterator[Visit]:
        """Sequences as they finish, in memory that does not grow with their number unless a recorder is given.

        Raises:
            SimulationError: the design deadlocks.
            DataError: stages and token counts do not fit together, or there is no such kind.
        """

    def run(self, queue: Queue, policy: str) -> Schedule:
        """The schedule of a batch. Raises as `stream`."""


@dataclass(frozen=True, eq=False)
class Streaming:
    """A design without a loop."""

    pipeline: Pipeline

    @property
    def lengths(self) -> tuple[int, ...]:
        """The longest input of each kind."""
        return tuple(max(counts) for counts in zip(*(s.tokens for s in self.pipeline.sources), strict=True))

    @property
    def body(self) -> Pipeline:
        """All of it."""
        return self.pipeline

    @property
    def iterations(self) -> int:
        """One."""
        return 1

    def stream(self, queue: Queue, recorder: Recorder | None = None) -> Iterator[Visit]:
        """See `Machine`."""
        return stream(self.pipeline, queue, recorder)

    def run(self, queue: Queue, policy: str) -> Schedule:
        """See `Machine`."""
        recorder = Recorder()
        visits = list(self.stream(queue, recorder))
        return _schedule(policy, "pipeline", visits, _blocks(self.pipeline), recorder)


@dataclass(frozen=True, eq=False)
class Looped:
    """A design with a loop: the ring, and what stands before and behind it."""

    ring: Ring
    before: Pipeline | None = None
    after: Pipeline | None = None

    @property
    def lengths(self) -> tuple[int, ...]:
        """Those of the ring."""
        return self.ring.body.sources[0].tokens

    @property
    def body(self) -> Pipeline:
        """That of the ring."""
        return self.ring.body

    @property
    def iterations(self) -> int:
        """Those of the ring."""
        return self.ring.iterations

    def stream(self, queue: Queue, recorder: Recorder | None = None) -> Iterator[Visit]:
        """See `Machine`."""
        return stream_ring(self.ring, queue, self.before, self.after, recorder)

    def run(self, queue: Queue, policy: str) -> Schedule:
        """See `Machine`."""
        recorder = Recorder()
        visits = list(self.stream(queue, recorder))
        blocks = [*_blocks(self.before), *_blocks(self.ring.body, self.ring.prefix), *_blocks(self.after)]
        limits = (self.ring.slots, self.ring.sequences, self.ring.iterations)
        return _schedule(policy, "ring", visits, blocks, recorder, *limits)


def _blocks(pipeline: Pipeline | None, prefix: str = "") -> list[str]:
    """Operators that hold tokens."""
    operators = pipeline.operators if pipeline else ()
    return [prefix + o.name for o in operators if o.stages[0] and not keeps_nothing(o)]


def _schedule(
    policy: str,
    machine: str,
    visits: list[Visit],
    blocks: list[str],
    recorder: Recorder,
    slots: int | None = None,
    sequences: int | None = None,
    iterations: int = 1,
) -> Schedule:
    if not visits:
        raise DataError("schedule", "no sequences", "one or more")
    rank = {name: index for index, name in enumerate(blocks)}
    return Schedule(
        policy,
        machine,
        max(v.finished for v in visits),
        tuple(sorted(visits, key=lambda v: v.sequence)),
        tuple(v.sequence for v in visits),
        tuple(blocks),
        tuple(sorted(recorder.spans, key=lambda s: (rank[s.block], s.start))),
        tuple(recorder.marks),
        steps(recorder.changes),
        slots,
        sequences,
        iterations,
    )
