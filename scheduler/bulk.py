# SPDX-License-Identifier: Apache-2.0
"""The equations of `unit` for a whole sequence at once, as vectors: exact, and much faster for long sequences.

All times of a new sequence are unknowns of one max-plus system; every equation looks back, so its solution is unique.
Iterating from minus infinity, along the flow and against it in turn, each step with running maxima, rises to the
solution and stops there (Kleene). Two or three rounds do, as links throttle neighbors only; where that takes too many
(or a deadlock lets times rise for ever), nothing is changed and the units advance token by token instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from gatewright.scheduler.link import ENDLESS, History, Link
from gatewright.scheduler.network import Feeder
from gatewright.scheduler.pipeline import Ints
from gatewright.scheduler.switch import Switch
from gatewright.scheduler.unit import Unit

ROUNDS = 8
"""Rounds after which advancing token by token is likely faster."""
NEVER = -(1 << 61)
"""Before every cycle."""


class _Row:
    """Times of one history: what can be read of it, then the unknowns of the new sequence."""

    def __init__(self, history: History) -> None:
        self.history, self.size = history, len(history.times)
        self.low, self.count, self.version = self.size, 0, 0
        self.times: Ints = np.empty(0, np.int64)

    def want(self, low: int) -> _Row:
        """Times from this index on will be read."""
        self.low = max(0, min(self.low, low))
        return self

    def fill(self) -> None:
        """Take over what is known; nothing else is, so far."""
        self.times = np.asarray(self.history.times[self.low :] + [NEVER] * self.count)

    def at(self, start: int, count: int) -> Ints:
        """`count` times from an index on. Before the first one there is no constraint."""
        if start >= 0:
            return self.times[start - self.low : start - self.low + count]
        missing = min(count, -start)
        return np.concatenate([np.full(missing, NEVER), self.times[: count - missing]])

    def rise(self, wanted: Ints) -> bool:
        """New values of the unknowns; true when they differ."""
        old = self.times[self.size - self.low :]
        if (old == wanted).all():
            return False
        old[:] = wanted
        self.version += 1
        return True

    def new(self) -> list[int]:
        """What has been found."""
        found: list[int] = self.times[self.size - self.low :].tolist()
        return found


class _Rows(dict[int, _Row]):
    """One row per history."""

    def of(self, history: History, low: int, count: int = 0) -> _Row:
        """The row, read from index `low` on, with `count` unknowns if this is the place that finds them."""
        row = self.get(id(history)) or self.setdefault(id(history), _Row(history))
        row.count = max(row.count, count)
        return row.want(low)

    def room(self, targets: Sequence[Link], at: int) -> list[tuple[Link, _Row]]:
        """What stops a writer whose next token has index `at`."""
        full = [link for link in targets if link.queue < ENDLESS]
        return [(link, self.of(link.taken, at - link.queue + link.skip)) for link in full]


def _stopped(found: Ints, room: Sequence[tuple[Link, _Row]], at: int, latency: int = 0) -> Ints:
    """Departures no sooner than there is room; the writer's tokens have indices from `at` on."""
    for link, row in room:
        there = row.at(at - link.queue + link.skip, len(found))
        found = np.maximum(found, there + (1 - latency - link.delay))
    return found


class _Step(Protocol):
    """Equations of one place."""

    def take(self) -> bool: ...
    def leave(self) -> bool: ...
    def commit(self) -> None: ...


class _Stage:
    """A unit's equations for its new sequence."""

    def __init__(self, unit: Unit, rows: _Rows) -> None:
        work, first, (i, j) = unit.work, unit.started, unit.first
        assert work is not None
        self.unit, self.latency = unit, work.latency
        # What stands before the ring may have begun with the sequence.
        self.i, self.j = len(unit.taken.times), len(unit.left.times)
        done, skipped = self.j - j, max(0, first - j)
        self.inputs, outputs = i + work.tokens - self.i, len(work.need) - done
        self.need = work.need[done:] + i
        steps, release = work.arrays
        self.gap = work.interval[done] if outputs else 0
        self.steps = steps[done:] - steps[done] if done and outputs else steps[done:]
        self.intakes = np.arange(self.inputs) * unit.intake
        fresh = work.need + (i + work.ahead) if work.memory is None else np.full(len(work.need), ENDLESS)
        hold = np.concatenate([np.asarray(unit.hold[first:j], np.int64), fresh[skipped:]])
        inputs = np.arange(self.i, self.i + self.inputs)
        self.started = first + np.searchsorted(hold, inputs, side="left")
        # Before the first output nothing is kept out.
        self.free = int(np.searchsorted(self.started, 0, side="right"))
        base = max(first, 1) - 1
        released = np.concatenate([np.asarray(unit.release[base:j], np.int64), release[max(0, base - j) :]])
        self.release = released[self.started - max(first, 1)]
        earliest = min(self.i - 1, int(self.need[0])) if outputs else self.i - 1
        self.taken = rows.of(unit.taken, earliest, self.inputs)
        self.left = rows.of(unit.left, min(self.j - 1, base), outputs)
        self.sources = [(link, rows.of(link.left, self.i - link.skip)) for link in unit.sources]
        self.room = rows.room(unit.targets, self.j)
        self.seen = self.met = -1

    def take(self) -> bool:
        """C of all inputs."""
        # Versions only grow, so an equal sum means that nothing has changed that this depends on.
        seen = self.left.version + sum([row.version for _, row in self.sources])
        if seen == self.seen:
            return False
        self.seen, found = seen, np.full(self.inputs, NEVER)
        for link, row in self.sources:
            found = np.maximum(found, row.at(self.i - link.skip, self.inputs) + link.delay)
        held = self.left.times[self.started[self.free :] - 1 - self.left.low] - self.release[self.free :]
        found[self.free :] = np.maximum(found[self.free :], held)
        if self.i and self.inputs:
            found[0] = max(found[0], self.taken.times[self.i - 1 - self.taken.low] + self.unit.intake)
        return self.taken.rise(np.maximum.accumulate(found - self.intakes) + self.intakes)

    def leave(self) -> bool:
        """D of all outputs."""
        met = self.taken.version + sum([row.version for _, row in self.room])
        if met == self.met:
            return False
        self.met = met
        found = _stopped(self.taken.times[self.need - self.taken.low] + self.latency, self.room, self.j)
        if self.j and len(found):
            found[0] = max(found[0], self.left.times[self.j - 1 - self.left.low] + self.gap)
        return self.left.rise(np.maximum.accumulate(found - self.steps) + self.steps)

    def commit(self) -> None:
        """Tell the unit."""
        self.unit.taken.times += self.taken.new()
        self.unit.left.times += self.left.new()
        # The last input took this many outputs to have been started.
        if self.inputs:
            self.unit.started = int(self.started[-1])


class _Spring:
    """A source's equations for what it has not sent yet."""

    def __init__(self, feeder: Feeder, rows: _Rows) -> None:
        self.feeder, self.j = feeder, len(feeder.left.times)
        count = feeder.count - self.j
        self.steps = np.arange(count) * feeder.interval
        self.soonest = np.full(count, (feeder.left.times[-1] if self.j else -1) + feeder.interval)
        for index, time in feeder.due.items():
            if index >= self.j:
                self.soonest[index - self.j] = max(self.soonest[index - self.j], time)
        self.left = rows.of(feeder.left, self.j, count)
        self.room = rows.room(feeder.targets, self.j)

    def take(self) -> bool:
        """Nothing is taken."""
        return False

    def leave(self) -> bool:
        """When its tokens leave."""
        found = _stopped(self.soonest, self.room, self.j)
        return self.left.rise(np.maximum.accumulate(found - self.steps) + self.steps)

    def commit(self) -> None:
        """Tell the source."""
        self.feeder.left.times += self.left.new()


class _Way:
    """A switch's equations for the one route that it has, of all tokens of a sequence."""

    def __init__(self, switch: Switch, rows: _Rows) -> None:
        (self.route,) = switch.routes
        self.switch, source, left = switch, self.route.source, self.route.target.left
        self.index, self.j, count = len(source.taken.times) - source.skip, len(left.times), self.route.tokens
        self.steps = np.arange(count) * switch.interval
        self.arrived = rows.of(source.left, self.index)
        self.taken = rows.of(source.taken, len(source.taken.times), count)
        self.left = rows.of(left, self.j, count)
        self.room = rows.room(self.route.target.targets, self.j)

    def take(self) -> bool:
        """When tokens move."""
        route, moved = self.route, self.switch.moved.times
        found = np.maximum(self.arrived.at(self.index, len(self.steps)) + route.source.delay, route.due)
        found = _stopped(found, self.room, self.j, route.latency)
        if moved:
            found[0] = max(found[0], moved[-1] + self.switch.interval)
        return self.taken.rise(np.maximum.accumulate(found - self.steps) + self.steps)

    def leave(self) -> bool:
        """When they are where they go."""
        return self.left.rise(self.taken.times[self.taken.size - self.taken.low :] + self.route.latency)

    def commit(self) -> None:
        """Tell the switch."""
        moved = self.taken.new()
        self.switch.moved.times += moved
        self.route.source.taken.times += moved
        self.route.target.left.times += self.left.new()
        self.switch.routes.clear()


Place = Unit | Switch | Feeder
"""Where tokens move."""


def _step(place: Place, rows: _Rows) -> _Step:
    if isinstance(place, Unit):
        return _Stage(place, rows)
    return _Way(place, rows) if isinstance(place, Switch) else _Spring(place, rows)


def settle(places: Sequence[Place]) -> bool:
    """Advance all to the end of their new sequence, or not at all.

    Args:
        places: along the flow; each has at most one unfinished sequence (switches: a route that has not begun), all of
            whose tokens come from these places or have already come.

    Returns:
        whether that was done.
    """
    rows = _Rows()
    steps = [_step(place, rows) for place in places]
    for row in rows.values():
        row.fill()
    for _ in range(ROUNDS):
        if not sum([step.take() + step.leave() for step in steps]):
            break
        if not sum([step.leave() + step.take() for step in reversed(steps)]):
            break
    else:
        return False
    for step in steps:
        step.commit()
    return True
