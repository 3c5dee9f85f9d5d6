# SPDX-License-Identifier: Apache-2.0
"""A token ring with what stands before and behind it, wired: pass after pass is sent through it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatewright.errors import DataError
from gatewright.scheduler import bulk
from gatewright.scheduler.admission import Credit
from gatewright.scheduler.flow import Entrance, Entry, Recorder
from gatewright.scheduler.link import Link
from gatewright.scheduler.network import Port, Worker, renumber, run
from gatewright.scheduler.pipeline import LINK, Pipeline
from gatewright.scheduler.switch import Route, Switch
from gatewright.scheduler.trace import Visit
from gatewright.scheduler.wiring import check_done, wire

if TYPE_CHECKING:
    from gatewright.scheduler.ring import Ring

BULK = 48
"""Tokens of a pass from which on all of them at once are faster than one after another."""


@dataclass(frozen=True)
class Pass:
    """One sequence going through the body once.

    Attributes:
        sequence, iteration: which one, both from 0.
        entered: cycle in which its first token passed the merge.
        left: cycle in which its last token passed the exit.
    """

    sequence: int
    iteration: int
    entered: int
    left: int


@dataclass
class Flight:
    """A sequence in the ring, and its next pass."""

    entry: Entry
    tokens: int
    started: int
    iteration: int = 0


class RingMachine:
    """The ring with what stands before and behind it, wired; grows pass by pass."""

    def __init__(self, ring: Ring, before: Pipeline | None, after: Pipeline | None, recorder: Recorder | None) -> None:
        body = ring.body
        self.ring, self.recorder = ring, recorder
        self.door = Entrance(before or Pipeline(body.sources, (), (body.sources[0].name,)))
        self.fresh, self.back, self.last = Link(LINK), Link(ring.slots), Link(LINK)
        self.entry, self.out, self.returns = Port(), Port(), Port()
        self.returns.attach(self.back)
        self.body = wire(body, {body.sources[0].name: self.entry})
        self.body.prefix = ring.prefix
        self.body.writers[body.outputs[0]].attach(self.last)
        self.after = wire(after, {after.sources[0].name: self.out}) if after else None
        tail = self.after.writers[after.outputs[0]] if self.after and after else self.out
        self.end, self.delay = tail.origin()
        self.door.section.writers[self.door.pipeline.outputs[0]].attach(self.fresh)
        self.merge, self.exit = Switch(body.sources[0].interval), Switch(1)
        self.workers: list[Worker] = [*self.door.workers, self.merge, *self.body.workers, self.exit]
        self.workers += self.after.workers if self.after else []
        self.credit = Credit(ring.admission)
        self.round: deque[Flight] = deque()
        self.passes: list[Pass] = []

    def settle(self) -> None:
        """Advance all known passes to their end; what stands before the ring goes as far as it can."""
        run(self.workers)
        for section in (self.body, self.after):
            if section is not None:
                check_done(section.workers, section.links)

    def send(self, entry: Entry) -> None:
        """A new sequence on its way to the ring."""
        self.door.send(entry)
        self.settle()

    @property
    def free(self) -> int:
        """When the last beat of a token could pass the merge, were its beats to come one per cycle."""
        moved = self.merge.moved.times
        return moved[-1] + self.merge.interval if moved else 0

    def next_returned(self) -> int:
        """When the merge sees the first token of the next returned pass."""
        return self.returns.left.times[len(self.back.taken.times) - self.back.skip] - self.ring.trickle

    def next_new(self) -> int:
        """When the first token of the next new sequence is at the merge."""
        arrived, at = self.fresh.left.times, len(self.fresh.taken.times) - self.fresh.skip
        if len(arrived) == at:
            check_done(self.door.section.workers, self.door.section.links)
        return arrived[at] + self.fresh.delay

    def enter(self, flight: Flight, source: Link, due: int) -> Visit | None:
        """Send one more pass through the body; the sequence, if this was its last one."""
        ring, kind, tokens = self.ring, flight.entry.kind, flight.tokens
        final = flight.iteration == ring.iterations - 1
        made = self.body.append(kind)[ring.body.outputs[0]]
        if made != tokens:
            raise DataError("ring.body", f"makes {made} tokens of {tokens}", "as many as it takes")
        if final and self.after:
            self.after.append(kind)
        self.merge.routes.append(Route(source, self.entry, ring.merge, tokens, due))
        way = (
            Route(self.last, self.out, ring.leave, tokens)
            if final
            else Route(self.last, self.returns, ring.back, tokens)
        )
        self.exit.routes.append(way)
        # A returned pass has come completely, so nothing in front of the ring is involved.
        places: list[bulk.Place] = [
            *(self.door.workers if not flight.iteration else []),
            self.merge,
            *self.body.workers,
            self.exit,
            *(self.after.workers if self.after and final else []),
        ]
        if not (tokens >= BULK and bulk.settle(places)):
            self.settle()
        entered, moved = self.merge.moved.times[-tokens], self.exit.moved.times
        if self.recorder is not None:
            self._record(flight, entered, final)
        if not final:
            flight.iteration += 1
            self.round.append(flight)
            return None
        self.credit.leave([time + ring.release for time in moved[-tokens:]])
        finished = self.end.left.times[-1] + self.delay + 1
        return Visit(flight.entry.sequence, tokens, flight.entry.due, flight.started, finished)

    def _record(self, flight: Flight, entered: int, final: bool) -> None:
        recorder, number, kind = self.recorder, flight.entry.sequence, flight.entry.kind
        assert recorder is not None
        left = self.exit.moved.times
        self.passes.append(Pass(number, flight.iteration, entered, left[-1]))
        if not flight.iteration:
            recorder.spans += self.door.section.spans(number, kind)
            recorder.changes.append((entered - (self.merge.interval - 1), flight.tokens, 1))
        recorder.spans += self.body.spans(number, kind, flight.iteration)
        if final:
            gone = [time + self.ring.release for time in left[-flight.tokens :]]
            recorder.changes += [(time, -1, 0) for time in gone[:-1]] + [(gone[-1], -1, -1)]
            if self.after:
                recorder.spans += self.after.spans(number, kind)

    def trim(self) -> None:
        """Forget what nothing reads any more."""
        self.merge.clear()
        self.exit.clear()
        self.door.trim()
        self.body.trim()
        if self.after:
            self.after.trim()
        for port in (self.entry, self.out, self.returns):
            if port.left.long:
                port.left.drop(port.unread())
        for link in (self.fresh, self.back, self.last):
            if link.taken.long:
                link.taken.drop(link.spare()[1])
        renumber([self.fresh, self.back, self.last, *self.body.links.values()])
        renumber(self.after.links.values() if self.after else ())
