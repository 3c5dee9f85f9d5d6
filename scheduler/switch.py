# SPDX-License-Identifier: Apache-2.0
"""Tokens along routes that change from pass to pass: the merge and the exit of a ring."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from gatewright.scheduler.link import History, Link
from gatewright.scheduler.network import Port


@dataclass(eq=False)
class Route:
    """Where the next tokens go: from a link to whatever reads a port, after `latency`, not before cycle `due`."""

    source: Link
    target: Port
    latency: int
    tokens: int
    due: int = 0


@dataclass(eq=False)
class Switch:
    """Merge or exit: one token after the other, each along its route.

    Attributes:
        interval: cycles between two tokens.
        moved: times of those that have moved.
    """

    interval: int
    routes: deque[Route] = field(default_factory=deque)
    moved: History = field(default_factory=History)

    def advance(self) -> bool:
        """Move what has come and has room."""
        moved = 0
        while self.routes:
            route = self.routes[0]
            while route.tokens and self._move(route):
                route.tokens -= 1
                moved += 1
            if route.tokens:
                break
            self.routes.popleft()
        return moved > 0

    def _move(self, route: Route) -> bool:
        source, left, moved = route.source, route.target.left.times, self.moved.times
        index = len(source.taken.times) - source.skip
        if index == len(source.left.times):
            return False
        time = max(source.left.times[index] + source.delay, route.due)
        if moved:
            time = max(time, moved[-1] + self.interval)
        for link in route.target.targets:
            room = len(left) - link.queue + link.skip
            if room >= 0:
                if room >= len(link.taken.times):
                    return False
                time = max(time, link.taken.times[room] + 1 - route.latency - link.delay)
        moved.append(time)
        source.taken.times.append(time)
        left.append(time + route.latency)
        return True

    def clear(self) -> None:
        """Forget when tokens moved, but for the last one."""
        self.moved.drop(len(self.moved.times) - 1)
