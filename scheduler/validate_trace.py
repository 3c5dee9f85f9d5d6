# SPDX-License-Identifier: Apache-2.0
"""Can a schedule be true? Checked from the stages' definitions; shares nothing with the model but the dataclasses.

What is checked is necessary, not sufficient: a schedule says when the first and the last token of a sequence moved,
so the tokens between are held to bounds. `tests/scheduler` compares the model token by token with clocked machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np

from gatewright.errors import DataError
from gatewright.scheduler.machine import Looped, Machine, Streaming
from gatewright.scheduler.pipeline import LINK, Ints, Pipeline, StageLike
from gatewright.scheduler.trace import Schedule, Span, Visit

Fault = tuple[str, str, str]
"""Place, what is wrong, what would be right."""


def check_schedule(machine: Machine, schedule: Schedule) -> None:
    """Precedence, rates, limits of what is in flight, depths, and that every sequence goes all the way.

    Raises:
        DataError: naming the first thing that is wrong.
    """
    for place, problem, allowed in faults(machine, schedule):
        raise DataError(f"schedule: {place}", problem, allowed)


def faults(machine: Machine, schedule: Schedule) -> Iterator[Fault]:
    """Everything that is wrong with a schedule."""
    yield from _visits(schedule)
    if schedule.machine == "closed form":
        yield from _one_at_a_time(schedule)
        return
    parts = _parts(machine)
    spans = {(s.block, s.sequence, s.iteration): s for s in schedule.spans}
    wanted = {name for part in parts for name in part.blocks}
    if set(schedule.blocks) != wanted:
        yield "blocks", f"{sorted(set(schedule.blocks) ^ wanted)}", "the operators that hold tokens"
        return
    for part in parts:
        for block in part.blocks:
            keys = {(block, v.sequence, i) for v in schedule.visits for i in range(part.iterations)}
            found = {key for key in spans if key[0] == block}
            if found != keys:
                yield f"block {block}", f"{len(found)} spans", f"{len(keys)}, one per sequence and pass"
                return
    for number, part in enumerate(parts):
        for visit in schedule.visits:
            kind = machine.lengths.index(visit.tokens)
            for iteration in range(part.iterations):
                given = _given(parts, number, spans, visit, kind, iteration)
                yield from _precedence(part, spans, visit, kind, iteration, given)
        yield from _rates(part, machine, schedule)
        yield from _depths(part, schedule)
    yield from _ends(parts[-1], machine, schedule, spans)
    yield from _limits(machine, schedule, parts, spans)


@dataclass(frozen=True)
class _Times:
    """What is known of when a value's tokens are there: the first, the last, and cycles between two at least."""

    first: int
    last: int
    gaps: Ints

    def of(self, token: int) -> int:
        """Earliest cycle of this token."""
        if token >= len(self.gaps):
            return self.last
        return self.first + int(self.gaps[1 : token + 1].sum())

    def later(self, cycles: int) -> _Times:
        return _Times(self.first + cycles, self.last + cycles, self.gaps)


@dataclass(frozen=True)
class _Part:
    """A pipeline, the names of its operators that hold tokens, and how often it is gone through."""

    pipeline: Pipeline
    prefix: str
    iterations: int

    @property
    def blocks(self) -> list[str]:
        # What takes an input token as its output leaves holds none (ahead below 0).
        return [
            self.prefix + o.name
            for o in self.pipeline.operators
            if o.stages[0] and not (len(o.inputs) == 1 and all(_ahead(s[0]) < 0 and len(s) == 1 for s in o.stages))
        ]


def _parts(machine: Machine) -> list[_Part]:
    if isinstance(machine, Streaming):
        return [_Part(machine.pipeline, "", 1)]
    assert isinstance(machine, Looped)
    ring = machine.ring
    sides = [None if p is None else _Part(p, "", 1) for p in (machine.before, machine.after)]
    return [part for part in (sides[0], _Part(ring.body, ring.prefix, ring.iterations), sides[1]) if part]


def _ahead(stage: StageLike) -> int:
    return int(getattr(stage, "ahead", 0))


def _gaps(stage: StageLike) -> Ints:
    return np.broadcast_to(np.asarray(stage.interval, np.int64), len(stage.need))


def _values(
    part: _Part, spans: Mapping[tuple[str, int, int], Span], visit: Visit, kind: int, iteration: int, given: int
) -> dict[str, _Times]:
    """When every value of a part is there. `given` is when the first token of a source can be there at all."""
    found = {}
    for source in part.pipeline.sources:
        gaps = np.full(source.tokens[kind], 0 if part.iterations > 1 else source.interval)
        found[source.name] = _Times(given, given + int(gaps[1:].sum()), gaps)
    blocks = set(part.blocks)
    for operator in part.pipeline.operators:
        stages = operator.stages[kind]
        if part.prefix + operator.name in blocks:
            span = spans[part.prefix + operator.name, visit.sequence, iteration]
            found[operator.name] = _Times(span.first, span.end, _gaps(stages[-1]))
        else:
            found[operator.name] = found[operator.inputs[0]].later(sum(s.latency for s in stages))
    return found


def _given(
    parts: Sequence[_Part],
    number: int,
    spans: Mapping[tuple[str, int, int], Span],
    visit: Visit,
    kind: int,
    iteration: int,
) -> int:
    """When the first token can come into a part: out of the pass before, or out of the part before."""
    if iteration:
        part, last = parts[number], iteration - 1
    elif number:
        part, last = parts[number - 1], parts[number - 1].iterations - 1
    else:
        return visit.started
    return _values(part, spans, visit, kind, last, visit.started)[part.pipeline.outputs[0]].first


def _precedence(
    part: _Part, spans: Mapping[tuple[str, int, int], Span], visit: Visit, kind: int, iteration: int, given: int
) -> Iterator[Fault]:
    """No token leaves before the one that it needs is there, and nothing is taken before it is there."""
    values = _values(part, spans, visit, kind, iteration, given)
    for operator in part.pipeline.operators:
        span = spans.get((part.prefix + operator.name, visit.sequence, iteration))
        if span is None:
            continue
        stages = operator.stages[kind]
        need = reduce(lambda later, stage: np.asarray(stage.need)[later], reversed(stages[:-1]), stages[-1].need)
        latency = sum(stage.latency for stage in stages)
        place = f"block {span.block}, sequence {visit.sequence}, pass {iteration}"
        for value in operator.inputs:
            there = values[value]
            if span.start < there.first:
                yield place, f"takes its first token in cycle {span.start}", f"{there.first}, when {value} begins"
            for name, cycle, token in (("first", span.first, need[0]), ("last", span.end, need[-1])):
                least = there.of(int(token)) + latency
                if cycle < least:
                    yield place, f"{name} result in cycle {cycle}", f"{least} or later: token {token} of {value}"


def _rates(part: _Part, machine: Machine, schedule: Schedule) -> Iterator[Fault]:
    """A block gives and takes no faster than its stages can, pass after pass, in one and the same order."""
    tokens = {v.sequence: machine.lengths.index(v.tokens) for v in schedule.visits}
    orders = []
    for operator in part.pipeline.operators:
        name = part.prefix + operator.name
        spans = sorted((s for s in schedule.spans if s.block == name), key=lambda s: (s.start, s.end))
        if not spans:
            continue
        orders.append((name, [(s.sequence, s.iteration) for s in spans]))
        last: Span | None = None
        for span in spans:
            stages = operator.stages[tokens[span.sequence]]
            place = f"block {name}, sequence {span.sequence}, pass {span.iteration}"
            gaps, busy = _gaps(stages[-1]), max(int(_gaps(s).sum()) for s in stages)
            if span.busy != busy:
                yield place, f"{span.busy} cycles of work", f"{busy}"
            if span.end - span.first < int(gaps[1:].sum()):
                yield place, f"results within {span.end - span.first} cycles", f"{int(gaps[1:].sum())} or more"
            if last is not None and span.first < last.end + int(gaps[0]):
                yield place, f"first result in cycle {span.first}", f"{int(gaps[0])} cycles behind the pass before"
            last = span
    for name, order in orders:
        if order != orders[0][1]:
            yield f"block {name}", "another order of passes", f"that of {orders[0][0]}: nothing overtakes"


def _depths(part: _Part, schedule: Schedule) -> Iterator[Fault]:
    """No link holds more than fits, and what fits is what the machine has."""
    queues = {
        (part.prefix + o.name, p): q for o in part.pipeline.operators for p, q in enumerate(_queues(o.queues, o.inputs))
    }
    for mark in schedule.marks:
        if (mark.block, mark.port) not in queues:
            continue
        depth = queues[mark.block, mark.port]
        place = f"input {mark.port} of {mark.block}"
        if mark.depth is not None and mark.depth != depth:
            yield place, f"a depth of {mark.depth} tokens", f"{depth}"
        if not 0 < mark.peak <= (mark.depth or mark.peak):
            yield place, f"{mark.peak} tokens at once", f"1 to {mark.depth}"


def _queues(given: Sequence[int], inputs: Sequence[str]) -> list[int]:
    return [*given, *[LINK] * (len(inputs) - len(given))]


def _limits(
    machine: Machine, schedule: Schedule, parts: Sequence[_Part], spans: Mapping[tuple[str, int, int], Span]
) -> Iterator[Fault]:
    """Never more in flight than there are slots and places."""
    if not isinstance(machine, Looped):
        return
    ring, (part,) = machine.ring, [p for p in parts if p.pipeline is machine.ring.body]
    for flight in schedule.occupancy:
        if flight.tokens > ring.slots or flight.sequences > ring.sequences:
            problem = f"{flight.tokens} tokens and {flight.sequences} sequences in flight in cycle {flight.cycle}"
            yield "occupancy", problem, f"{ring.slots} slots, {ring.sequences} sequences"
    stay = []
    for visit in schedule.visits:
        kind, key = machine.lengths.index(visit.tokens), (visit.sequence, 0)
        entered = min(spans[(block, *key)].start for block in part.blocks)
        out = _values(part, spans, visit, kind, ring.iterations - 1, entered)[ring.body.outputs[0]]
        stay.append((entered, visit.tokens, out))
    for now, _, _ in stay:
        # Not before a token has left the body can its slot be free.
        inside = [(n, out) for entered, n, out in stay if entered <= now]
        tokens = sum(sum(out.of(t) >= now for t in range(n)) if out.first < now else n for n, out in inside)
        count = sum(out.last >= now for _, out in inside)
        if tokens > ring.slots or count > ring.sequences:
            problem = f"at least {tokens} tokens and {count} sequences in flight in cycle {now}"
            yield "admission", problem, f"{ring.slots} slots, {ring.sequences} sequences"


def _visits(schedule: Schedule) -> Iterator[Fault]:
    numbers = [v.sequence for v in schedule.visits]
    if numbers != list(range(len(numbers))) or sorted(schedule.order) != numbers:
        yield "visits", f"sequences {numbers[:5]}.., order {schedule.order[:5]}..", "each sequence once"
        return
    if schedule.cycles < max(v.finished for v in schedule.visits):
        yield "cycles", f"{schedule.cycles}", f"{max(v.finished for v in schedule.visits)}, when the last one is done"
    for visit in schedule.visits:
        mine = [s for s in schedule.spans if s.sequence == visit.sequence]
        place = f"sequence {visit.sequence}"
        if visit.started < visit.arrival:
            yield place, f"starts in cycle {visit.started}", f"{visit.arrival}, when it arrives"
        if mine and visit.started > min(s.start for s in mine):
            yield place, f"starts in cycle {visit.started}", f"{min(s.start for s in mine)}, when a block takes it"


def _ends(
    part: _Part, machine: Machine, schedule: Schedule, spans: Mapping[tuple[str, int, int], Span]
) -> Iterator[Fault]:
    """A sequence is done when its outputs have left."""
    for visit in schedule.visits:
        kind = machine.lengths.index(visit.tokens)
        values = _values(part, spans, visit, kind, part.iterations - 1, visit.started)
        least = max(values[value].last for value in part.pipeline.outputs) + 1
        if visit.finished < least:
            yield f"sequence {visit.sequence}", f"done after {visit.finished} cycles", f"{least} or later"


def _one_at_a_time(schedule: Schedule) -> Iterator[Fault]:
    """Blocks without stages hold one sequence, and a sequence is in one block, to its end."""
    for visit in schedule.visits:
        if visit.finished <= (last := max(s.end for s in schedule.spans if s.sequence == visit.sequence)):
            yield f"sequence {visit.sequence}", f"done after {visit.finished} cycles", f"{last + 1} or later"
    for attribute in ("block", "sequence"):
        for name in {getattr(s, attribute) for s in schedule.spans}:
            mine = sorted((s for s in schedule.spans if getattr(s, attribute) == name), key=lambda s: s.start)
            for one, two in zip(mine, mine[1:], strict=False):
                if two.start <= one.end:
                    yield f"{attribute} {name}", f"two at once in cycle {two.start}", "one after the other"
