# SPDX-License-Identifier: Apache-2.0
"""Tokens along routes that change from token to token: the merge and the exit of a ring."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.scheduler.network import Link


@dataclass(frozen=True, eq=False)
class Route:
    """Where a token goes: from a link to all `targets`, after `latency`, not before cycle `due`."""

    source: Link
    targets: list[Link]
    latency: int
    due: int = 0


@dataclass
class Switch:
    """Merge or exit: one token after the other, each along its route."""

    interval: int
    routes: list[Route] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)

    def advance(self) -> bool:
        """Move what has come and has room."""
        start = len(self.moved)
        while len(self.moved) < len(self.routes) and self._move(self.routes[len(self.moved)]):
            pass
        return len(self.moved) > start

    def _move(self, route: Route) -> bool:
        source, index = route.source, len(route.source.taken)
        if index == len(source.arrived):
            return False
        time = max(source.arrived[index], route.due)
        if self.moved:
            time = max(time, self.moved[-1] + self.interval)
        for link in route.targets:
            room = len(link.arrived) - link.queue
            if room >= 0:
                if room >= len(link.taken):
                    return False
                time = max(time, link.taken[room] + 1 - route.latency - link.delay)
        self.moved.append(time)
        source.taken.append(time)
        for link in route.targets:
            link.arrived.append(time + route.latency + link.delay)
        return True
