# SPDX-License-Identifier: Apache-2.0
"""A pipeline at work on a stream of sequences: one in, one out, in memory that does not grow.

Everything is first in, first out, and nothing changes what went before; so each sequence is followed to its end as
it comes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from gatewright.errors import DataError
from gatewright.scheduler.link import ENDLESS
from gatewright.scheduler.network import Feeder, run
from gatewright.scheduler.pipeline import Pipeline
from gatewright.scheduler.trace import Mark, Span, Visit
from gatewright.scheduler.unit import Unit
from gatewright.scheduler.wiring import Section, check_done, feeders, wire


@dataclass(frozen=True)
class Entry:
    """A sequence that is to be sent.

    Attributes:
        sequence: its number, as the caller counts.
        kind: of sequence, in the machine.
        due: cycle before which it does not come.
    """

    sequence: int
    kind: int
    due: int = 0


Queue = Callable[[int], Entry | None]
"""The next sequence, asked when the one before has been sent completely, with that cycle; None at the end."""


@dataclass
class Recorder:
    """Collects what a machine does, for a `Schedule`.

    Attributes:
        changes: (cycle, tokens more, sequences more) in flight.
    """

    spans: list[Span] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)
    changes: list[tuple[int, int, int]] = field(default_factory=list)

    def mark(self, section: Section) -> None:
        """High-water marks of a section, at the end."""
        for (name, port), peak in section.peaks().items():
            queue = section.links[name, port].queue
            self.marks.append(Mark(section.prefix + name, port, peak, None if queue >= ENDLESS else queue))


def in_order(kinds: Iterable[int], arrival: Sequence[int] = ()) -> Queue:
    """Sequences numbered and sent as they come. Raises DataError when asked for a kind below 0."""
    numbered = enumerate(kinds)

    def following(_: int) -> Entry | None:
        for index, kind in numbered:
            return Entry(index, kind, arrival[index] if len(arrival) else 0)
        return None

    return following


def check_kind(pipeline: Pipeline, kind: int) -> None:
    """Raises DataError unless the pipeline has this kind of sequence."""
    if not 0 <= kind < pipeline.kinds:
        raise DataError("order", f"kind {kind}", f"one or more kinds of 0 to {pipeline.kinds - 1}")


class Entrance:
    """The sources of a pipeline, and its operators, which sequences enter one by one."""

    def __init__(self, pipeline: Pipeline, unlimited: bool = False) -> None:
        self.pipeline = pipeline
        self.feeders = feeders(pipeline)
        self.section = wire(pipeline, self.feeders, unlimited)
        self.workers: list[Feeder | Unit] = [*self.feeders.values(), *self.section.workers]
        self.count = 0

    def send(self, entry: Entry) -> None:
        """One more sequence on its way."""
        check_kind(self.pipeline, entry.kind)
        for source in self.pipeline.sources:
            # A source's times are those of a token's last beat.
            due = max(entry.due + source.interval - 1 if entry.due else 0, self.count * source.period)
            self.feeders[source.name].append(source.tokens[entry.kind], due)
        self.section.append(entry.kind)
        self.count += 1

    @property
    def free(self) -> int:
        """Cycle in which the next sequence can begin to come in, when the latest one has been sent."""
        return max((f.left.times[-1] + 1 for f in self.feeders.values() if f.left.times), default=0)

    @property
    def started(self) -> int:
        """Cycle of the first beat of the latest sequence."""
        return min(f.left.times[f.first] - f.interval + 1 for f in self.feeders.values())

    def trim(self) -> None:
        """Forget what nothing reads any more."""
        for feeder in self.feeders.values():
            feeder.trim()
        self.section.trim()


def stream(
    pipeline: Pipeline, queue: Queue, recorder: Recorder | None = None, unlimited: bool = False
) -> Iterator[Visit]:
    """Sequences as they finish.

    Args:
        queue: what is sent when.
        recorder: also take down where every sequence was when; this grows with their number.
        unlimited: links between operators without end.

    Raises:
        SimulationError: the design deadlocks.
        DataError: stages and token counts do not fit together, or there is no such kind.
    """
    entrance = Entrance(pipeline, unlimited)
    section = entrance.section
    ends = [section.writers[value].origin() for value in pipeline.outputs]
    while (entry := queue(entrance.free)) is not None:
        entrance.send(entry)
        run(entrance.workers)
        check_done(section.workers, section.links)
        finished = max(port.left.times[-1] + delay for port, delay in ends) + 1
        tokens = max(source.tokens[entry.kind] for source in pipeline.sources)
        visit = Visit(entry.sequence, tokens, entry.due, entrance.started, finished)
        if recorder is not None:
            recorder.spans += section.spans(entry.sequence, entry.kind)
            recorder.changes += [(visit.started, tokens, 1), (finished, -tokens, -1)]
        yield visit
        entrance.trim()
    if recorder is not None:
        recorder.mark(section)
