# SPDX-License-Identifier: Apache-2.0
"""Where tokens come from and how they are passed on: sources, ports, relays, and advancing all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gatewright.scheduler.link import History, Link


class Worker(Protocol):
    """Whatever moves tokens."""

    def advance(self) -> bool:
        """Do all that the links allow now; true when that was anything."""


class Writer(Protocol):
    """What others can read from."""

    def attach(self, link: Link) -> None:
        """Write to this link too."""

    def origin(self) -> tuple[Port, int]:
        """Where its tokens leave, and the cycles until they are here."""


@dataclass(eq=False)
class Port:
    """What writes to links, and when tokens left it."""

    targets: list[Link] = field(default_factory=list)
    left: History = field(default_factory=History)

    def attach(self, link: Link) -> None:
        """Write to this link too."""
        link.left = self.left
        self.targets.append(link)

    def origin(self) -> tuple[Port, int]:
        """Itself."""
        return self, 0

    def unread(self) -> int:
        """How many of the oldest departures no reader will look at; the latest one is always kept."""
        spare = [link.spare()[0] for link in self.targets]
        return max(0, min([*spare, len(self.left.times) - 1]))


@dataclass(eq=False)
class Relay:
    """An operator that keeps nothing: its input token stays with the writer until its output token finds room."""

    writer: Writer
    delay: int

    def attach(self, link: Link) -> None:
        """Let the writer write to this link, later by the delay."""
        link.delay += self.delay
        self.writer.attach(link)

    def origin(self) -> tuple[Port, int]:
        """That of the writer, later by the delay."""
        port, delay = self.writer.origin()
        return port, delay + self.delay


@dataclass(eq=False)
class Feeder(Port):
    """A source: one token every `interval` cycles, as soon as there is room; `due` holds back first tokens."""

    interval: int = 1
    count: int = 0
    first: int = 0
    due: dict[int, int] = field(default_factory=dict)

    def append(self, tokens: int, due: int) -> None:
        """One more sequence, whose first token does not come before cycle `due`."""
        self.first = self.count
        if due:
            self.due[self.count] = due
        self.count += tokens

    def advance(self) -> bool:
        """Send what there is room for."""
        left = self.left.times
        start = j = len(left)
        while j < self.count:
            time = (left[-1] if left else -1) + self.interval
            if j in self.due:
                time = max(time, self.due[j])
            for link in self.targets:
                if (room := j - link.queue + link.skip) >= 0:
                    if room >= len(link.taken.times):
                        break
                    time = max(time, link.taken.times[room] + 1 - link.delay)
            else:
                left.append(time)
                j += 1
                continue
            break
        return j > start

    def trim(self) -> None:
        """Forget what has been read."""
        if not self.left.long:
            return
        gone = self.unread()
        self.left.drop(gone)
        self.count -= gone
        self.first -= gone
        self.due = {at - gone: time for at, time in self.due.items() if at >= len(self.left.times) + gone}


def run(workers: Sequence[Worker]) -> None:
    """Advance all until none can."""
    while sum([worker.advance() for worker in workers]):
        pass


def renumber(links: Iterable[Link]) -> None:
    """After some `trim`."""
    for link in links:
        link.renumber()
