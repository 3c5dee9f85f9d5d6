# SPDX-License-Identifier: Apache-2.0
"""Cycles of a token ring: one physical body through which every sequence goes several times.

A *pass* is one sequence going through the body once. Where a pass ends, the merge chooses the next one: the oldest
returned sequence when its first token is there, else a new one that is there and admitted, else whichever comes
first. A new sequence of n tokens is admitted while n and the tokens in flight fit the `slots`, and while fewer than
`sequences` are in flight; a token in flight counts until it has left for good. As nothing overtakes, later passes do
not change earlier ones: the passes known so far are advanced to the end, and the times found decide the next pass.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gatewright.errors import DataError
from gatewright.scheduler.cycles import check_order, peak
from gatewright.scheduler.network import ENDLESS, Feeder, Link, Port, Sink, Worker, run
from gatewright.scheduler.pipeline import LINK, Pipeline
from gatewright.scheduler.switch import Route, Switch
from gatewright.scheduler.wiring import Section, check_done, wire


@dataclass(frozen=True, eq=False)
class Ring:
    """A body in a ring, and the control around it.

    Attributes:
        body: one source, whose interval is the beats per token at the merge, and one output of equally many tokens.
        iterations: passes of every sequence.
        slots: tokens in flight, at most.
        sequences: sequences in flight, at most.
        merge: cycles from a token's arrival at the merge to its arrival at the body.
        back: cycles through exit and return FIFO.
        leave: cycles through the exit to whatever stands behind the ring.
        release: cycles from a token's last departure until its slot counts as free.
        trickle: cycles by which a returned token's first beat comes sooner than one beat per cycle before its last.
            The merge decides on first beats.
    """

    body: Pipeline
    iterations: int
    slots: int
    sequences: int
    merge: int = 1
    back: int = 3
    leave: int = 1
    release: int = 1
    trickle: int = 0

    def __post_init__(self) -> None:
        if len(self.body.sources) != 1 or len(self.body.outputs) != 1:
            problem = f"{len(self.body.sources)} sources, {len(self.body.outputs)} outputs"
            raise DataError("ring.body", problem, "one of each")
        for name in ("iterations", "slots", "sequences"):
            if getattr(self, name) < 1:
                raise DataError(f"ring.{name}", f"{getattr(self, name)}", "1 or more")
        longest = max(self.body.sources[0].tokens)
        if longest > self.slots:
            problem = f"{self.slots} for a sequence of {longest} tokens, which would never be admitted"
            raise DataError("ring.slots", problem, f"{longest} or more")


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


@dataclass(frozen=True)
class RingPrediction:
    """What `simulate_ring` finds; cycles are counted from the first input beat to the last output beat, both included.

    Attributes:
        cycles: of the whole batch.
        finished: cycle in which each sequence has left.
        passes: in the order in which they entered the body.
        busy: share of `cycles` in which the slowest stage of each operator of the body was at work.
        peaks: most tokens on the link into each (operator, input) of the body.
        returned: most tokens in the return FIFO.
    """

    cycles: int
    finished: tuple[int, ...]
    passes: tuple[Pass, ...]
    busy: dict[str, float]
    peaks: dict[tuple[str, int], int]
    returned: int


@dataclass
class _Flight:
    """A sequence in the ring, and its next pass."""

    sequence: int
    tokens: int
    iteration: int = 0


@dataclass
class _Credit:
    """Tokens and sequences admitted so far, and when those that have left were counted out."""

    slots: int
    sequences: int
    tokens_in: int = 0
    sequences_in: int = 0
    tokens_out: list[int] = field(default_factory=list)
    sequences_out: list[int] = field(default_factory=list)

    def when(self, tokens: int) -> int | None:
        """From when on a sequence of `tokens` may enter; None while that depends on passes to come."""
        waits = (self.tokens_out, self.tokens_in + tokens - self.slots), (
            self.sequences_out, self.sequences_in + 1 - self.sequences,
        )  # fmt: skip
        if any(count > len(out) for out, count in waits):
            return None
        return max(out[count - 1] if count > 0 else 0 for out, count in waits)

    def admit(self, tokens: int) -> None:
        """Count a sequence in."""
        self.tokens_in += tokens
        self.sequences_in += 1

    def leave(self, times: Sequence[int]) -> None:
        """Count a sequence out whose tokens leave at `times`."""
        self.tokens_out += times
        self.sequences_out.append(times[-1])


class _Machine:
    """The ring with what stands before and behind it, wired; grows pass by pass."""

    def __init__(self, ring: Ring, before: Section | None, feeders: Sequence[Feeder], after: Pipeline | None) -> None:
        body = ring.body
        self.ring, self.before = ring, before
        self.fresh, self.back, self.end = Link(LINK), Link(ring.slots), Link(ENDLESS)
        entry, out = Port(), Port()
        self.body = wire(body, {body.sources[0].name: entry})
        self.last = Link(LINK)
        self.body.writers[body.outputs[0]].attach(self.last)
        self.after = wire(after, {after.sources[0].name: out}) if after else None
        tail = self.after.writers[after.outputs[0]] if self.after and after else out
        tail.attach(self.end)
        writer = before.writers[before.pipeline.outputs[0]] if before else feeders[0]
        writer.attach(self.fresh)
        self.entry, self.out = entry, out
        self.merge, self.exit = Switch(body.sources[0].interval), Switch(1)
        self.workers: list[Worker] = [*feeders, *(before.workers if before else [])]
        self.workers += [self.merge, *self.body.workers, self.exit]
        self.workers += [*(self.after.workers if self.after else []), Sink(self.end)]
        self.credit = _Credit(ring.slots, ring.sequences)
        self.round: deque[_Flight] = deque()
        self.passes: list[Pass] = []
        self.ends: list[int] = []

    def settle(self) -> None:
        """Advance all known passes to their end; what stands before the ring goes as far as it can."""
        run(self.workers)
        for section in (self.body, self.after):
            if section is not None:
                check_done(section.workers, section.links)

    def next_returned(self) -> int:
        """When the merge sees the first token of the next returned pass."""
        return self.back.arrived[len(self.back.taken)] - self.ring.trickle

    def next_new(self) -> int:
        """When the first token of the next new sequence is at the merge."""
        arrived = self.fresh.arrived
        if len(arrived) == len(self.fresh.taken) and self.before is not None:
            check_done(self.before.workers, self.before.links)
        return arrived[len(self.fresh.taken)]

    def enter(self, flight: _Flight, source: Link, due: int, kind: int) -> None:
        """Send one more pass through the body."""
        ring, final = self.ring, flight.iteration == self.ring.iterations - 1
        tokens = self.body.append(kind)[ring.body.outputs[0]]
        if tokens != flight.tokens:
            raise DataError("ring.body", f"makes {tokens} tokens of {flight.tokens}", "as many as it takes")
        if final:
            count = self.after.append(kind)[self.after.pipeline.outputs[0]] if self.after else tokens
            self.ends.append((self.ends[-1] if self.ends else -1) + count)
        first = len(self.merge.moved)
        self.merge.routes += [Route(source, self.entry.targets, ring.merge, due)] * tokens
        away = Route(self.last, self.out.targets, ring.leave) if final else Route(self.last, [self.back], ring.back)
        self.exit.routes += [away] * tokens
        self.settle()
        self.passes.append(Pass(flight.sequence, flight.iteration, self.merge.moved[first], self.exit.moved[-1]))
        flight.iteration += 1
        if final:
            self.credit.leave([time + ring.release for time in self.exit.moved[-tokens:]])
        else:
            self.round.append(flight)


def _prologue(
    ring: Ring, order: Sequence[int], arrival: Sequence[int] | None, before: Pipeline | None
) -> tuple[Section | None, list[Feeder]]:
    """All sequences on their way to the ring."""
    sources = before.sources if before else ring.body.sources
    feeders = {source.name: Feeder(interval=source.interval) for source in sources}
    section = wire(before, feeders) if before else None
    for index, kind in enumerate(order):
        for source in sources:
            due = index * source.period if arrival is None else arrival[index]
            feeders[source.name].append(source.tokens[kind], due)
        if section is not None:
            section.append(kind)
    return section, list(feeders.values())


def simulate_ring(
    ring: Ring,
    order: Sequence[int],
    arrival: Sequence[int] | None = None,
    before: Pipeline | None = None,
    after: Pipeline | None = None,
) -> RingPrediction:
    """Every token of every pass.

    Args:
        order: kinds of the sequences, in the order in which they come.
        arrival: cycle before which each sequence does not come; by default the period of the sources.
        before: what stands before the ring, of the same kinds, with one output; without it, sequences come from the
            body's own source.
        after: what stands behind the ring, with one source and one output.

    Raises:
        SimulationError: the design deadlocks.
        DataError: stages and token counts do not fit together.
    """
    check_order(ring.body, order)
    section, feeders = _prologue(ring, order, arrival, before)
    machine = _Machine(ring, section, feeders, after)
    machine.settle()
    lengths, beats, new = ring.body.sources[0].tokens, ring.body.sources[0].interval, 0
    while machine.round or new < len(order):
        # Times of a token's last beat, were its beats to come one per cycle.
        free = machine.merge.moved[-1] + beats if machine.merge.moved else 0
        returned = max(free, machine.next_returned()) if machine.round else None
        tokens = lengths[order[new]] if new < len(order) else 0
        credit = machine.credit.when(tokens) if tokens else None
        if credit is not None:
            due = credit + beats - 1 if credit else 0
            if returned is None or max(free, due, machine.next_new()) < returned:
                machine.credit.admit(tokens)
                machine.enter(_Flight(new, tokens), machine.fresh, due, order[new])
                new += 1
                continue
        flight = machine.round.popleft()
        machine.enter(flight, machine.back, 0, order[flight.sequence])
    return _result(machine)


def _result(machine: _Machine) -> RingPrediction:
    finished = [int(machine.end.arrived[last]) + 1 for last in machine.ends]
    busy = {
        operator.name: max(sum(unit.interval) for unit in units) / finished[-1]
        for operator, units in machine.body.units
        if units
    }
    peaks = {key: peak(link) for key, link in machine.body.links.items()}
    return RingPrediction(finished[-1], tuple(finished), tuple(machine.passes), busy, peaks, peak(machine.back))
