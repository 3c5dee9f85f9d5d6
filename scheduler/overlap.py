# SPDX-License-Identifier: Apache-2.0
"""Tasks on units, each unit one at a time: a schedule, and a bound that says how good it is.

Greedy list scheduling: a unit that is free takes, of all tasks that are ready, the most urgent one. It is not always
the best (a job shop is NP-hard); so several rules of urgency are tried, and `bound` is what no schedule beats.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gatewright.errors import DataError


@dataclass(frozen=True)
class Task:
    """Something that keeps a unit busy.

    Attributes:
        name, unit: what, and on what.
        seconds: for how long.
        after: tasks (by index, earlier ones) and the seconds that must lie between their end and this one's start.
        query: for which it is done.
    """

    name: str
    unit: str
    seconds: float
    after: tuple[tuple[int, float], ...] = ()
    query: int = 0


@dataclass(frozen=True)
class Overlap:
    """A schedule.

    Attributes:
        tasks, starts: each task, and the second in which it starts.
        policy: the rule that found it.
        bound: seconds that every schedule takes at least.
    """

    tasks: tuple[Task, ...]
    starts: tuple[float, ...]
    policy: str
    bound: float

    @property
    def seconds(self) -> float:
        """Until the last task ends."""
        return max((s + t.seconds for s, t in zip(self.starts, self.tasks, strict=True)), default=0.0)

    def finished(self, query: int) -> float:
        """When the last task of a query ends."""
        return max(s + t.seconds for s, t in zip(self.starts, self.tasks, strict=True) if t.query == query)

    @property
    def busy(self) -> dict[str, float]:
        """Share of the time for which each unit is at work."""
        found: dict[str, float] = {}
        for task in self.tasks:
            found[task.unit] = found.get(task.unit, 0.0) + task.seconds
        return {unit: seconds / self.seconds for unit, seconds in found.items() if seconds}

    def as_json(self) -> dict[str, Any]:
        """Plain dictionaries and lists, for a file."""
        rows = [{**asdict(t), "start": s} for t, s in zip(self.tasks, self.starts, strict=True)]
        return {"policy": self.policy, "seconds": self.seconds, "bound": self.bound, "tasks": rows}


def overlap(tasks: Sequence[Task], policy: str = "best") -> Overlap:
    """Start times for tasks.

    Args:
        policy: "arrival" serves queries in their order, "critical" the longest way to the end first, "best" takes the
            shorter schedule of the two.

    Raises:
        DataError: a task waits for itself or a later one, or no such policy.
    """
    for index, task in enumerate(tasks):
        if any(not 0 <= i < index for i, _ in task.after):
            raise DataError(f"task {task.name}", f"after {task.after}", f"tasks 0 to {index - 1}")
    names = list(_URGENCY) if policy == "best" else [policy]
    if any(n not in _URGENCY for n in names):
        raise DataError("policy", f"{policy!r}", ", ".join(["best", *_URGENCY]))
    least = bound(tasks)
    found = [Overlap(tuple(tasks), _listed(tasks, _URGENCY[n](tasks)), n, least) for n in names]
    return min(found, key=lambda o: o.seconds)


def bound(tasks: Sequence[Task]) -> float:
    """Seconds of every schedule at least: the longest way through, and per unit its work with the shortest ways to
    and from it."""
    heads, tails = earliest(tasks), remaining(tasks)
    found = max((h + t for h, t in zip(heads, tails, strict=True)), default=0.0)
    for unit in {t.unit for t in tasks}:
        own = [i for i, t in enumerate(tasks) if t.unit == unit]
        ahead = min(heads[i] for i in own)
        behind = min(tails[i] - tasks[i].seconds for i in own)
        found = max(found, ahead + sum(tasks[i].seconds for i in own) + behind)
    return found


def earliest(tasks: Sequence[Task]) -> list[float]:
    """When each task could start if units had no end."""
    found: list[float] = []
    for task in tasks:
        found.append(max((found[i] + tasks[i].seconds + lag for i, lag in task.after), default=0.0))
    return found


def remaining(tasks: Sequence[Task]) -> list[float]:
    """Seconds from each task's start to the end of all, if units had no end."""
    found = [t.seconds for t in tasks]
    for index in range(len(tasks) - 1, -1, -1):
        for i, lag in tasks[index].after:
            found[i] = max(found[i], tasks[i].seconds + lag + found[index])
    return found


Urgency = Callable[[Sequence[Task]], list[tuple[float, ...]]]


def _arrival(tasks: Sequence[Task]) -> list[tuple[float, ...]]:
    return [(t.query, i) for i, t in enumerate(tasks)]


def _critical(tasks: Sequence[Task]) -> list[tuple[float, ...]]:
    return [(-r, i) for i, r in enumerate(remaining(tasks))]


_URGENCY: dict[str, Urgency] = {"arrival": _arrival, "critical": _critical}


def _listed(tasks: Sequence[Task], urgency: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    """Simulate: whenever a unit is free, it takes the most urgent task whose time has come."""
    readers: list[list[tuple[int, float]]] = [[] for _ in tasks]
    missing = [len(t.after) for t in tasks]
    for index, task in enumerate(tasks):
        for i, lag in task.after:
            readers[i].append((index, lag))
    ready = [0.0] * len(tasks)
    starts = [0.0] * len(tasks)
    free: dict[str, float] = {}
    waiting: dict[str, list[tuple[tuple[float, ...], int]]] = {t.unit: [] for t in tasks}
    # (second, index, what): 0 the task becomes ready, 1 its unit becomes free.
    events = [(0.0, i, 0) for i, m in enumerate(missing) if not m]
    heapq.heapify(events)
    while events:
        now = events[0][0]
        touched: dict[str, None] = {}
        while events and events[0][0] <= now:
            _, index, what = heapq.heappop(events)
            unit = tasks[index].unit
            touched[unit] = None
            if what == 0:
                heapq.heappush(waiting[unit], (urgency[index], index))
        for unit in touched:
            # Tasks that take no time may follow each other at once.
            while waiting[unit] and free.get(unit, 0.0) <= now:
                _, index = heapq.heappop(waiting[unit])
                starts[index] = now
                end = free[unit] = now + tasks[index].seconds
                heapq.heappush(events, (end, index, 1))
                for reader, lag in readers[index]:
                    ready[reader] = max(ready[reader], end + lag)
                    missing[reader] -= 1
                    if not missing[reader]:
                        heapq.heappush(events, (ready[reader], reader, 0))
    return tuple(starts)
