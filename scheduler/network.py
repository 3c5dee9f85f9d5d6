# SPDX-License-Identifier: Apache-2.0
"""Stages at work, token by token, in max-plus arithmetic: what `cycles` and `ring` advance.

For output token j of a stage, with C the time an input token is taken and D the time an output token leaves:

    D[j] = max(C[need[j]] + latency, D[j-1] + interval, C'[j - queue] + 1)
    C[i] = max(A[i], C[i-1] + intake, D[k] - latency + interval)

where k is the last output with need[k] < i - ahead, A is the arrival at the stage (D of the stage before; the
latest one where streams join), and C' are the times at which the reader behind takes the tokens: a full link
stops the stage, which in turn stops taking tokens.

Everything is first in, first out, so sequences are appended one after another, also while others are under way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from gatewright.errors import DataError
from gatewright.scheduler.pipeline import StageLike

ENDLESS = 1 << 62
"""Tokens on a link that never fills."""


@dataclass
class Link:
    """Tokens under way from one writer to one reader: when they arrived, when they were taken.

    Attributes:
        queue: tokens that fit.
        delay: cycles from a token's departure to its arrival, through operators that keep nothing.
    """

    queue: int
    delay: int = 0
    arrived: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)


class Worker(Protocol):
    """Whatever moves tokens."""

    def advance(self) -> bool:
        """Do all that the links allow now; true when that was anything."""


class Writer(Protocol):
    """What others can read from."""

    def attach(self, link: Link) -> None:
        """Write to this link too."""


@dataclass
class Port:
    """A writer's links."""

    targets: list[Link] = field(default_factory=list)

    def attach(self, link: Link) -> None:
        """Write to this link too."""
        self.targets.append(link)


@dataclass
class Relay:
    """An operator that keeps nothing: its input token stays with the writer until its output token finds room."""

    writer: Writer
    delay: int

    def attach(self, link: Link) -> None:
        """Let the writer write to this link, later by the delay."""
        link.delay += self.delay
        self.writer.attach(link)


@dataclass
class Unit(Port):
    """A stage at work. `need` and `hold` are global: later sequences continue the numbering.

    Attributes:
        need: [outputs] the last input token that each waits for.
        hold: [outputs] the last input token that may be taken before the output is started.
        burst: most tokens that leave in one cycle: a link inside the operator holds at least these.
        left, taken: when outputs left and inputs were taken.
    """

    name: str = ""
    sources: list[Link] = field(default_factory=list)
    need: list[int] = field(default_factory=list)
    hold: list[int] = field(default_factory=list)
    interval: list[int] = field(default_factory=list)
    latency: list[int] = field(default_factory=list)
    inputs: int = 0
    intake: int = 1
    burst: int = 0
    left: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    _run: int = 0
    _started: int = 0

    def append(self, stage: StageLike, tokens: int) -> int:
        """Expect one more sequence of `tokens` input tokens; its number of output tokens.

        Raises:
            DataError: an output needs a token that the sequence has not.
        """
        need = np.asarray(stage.need, np.int64)
        if len(need) == 0 or need[0] < 0 or need[-1] >= tokens or np.any(np.diff(need) < 0):
            problem = f"needs {need[:3].tolist()}.. of {tokens} tokens"
            raise DataError(self.name, problem, "never falling, below the count")
        if not self.inputs:
            self.intake = getattr(stage, "intake", 1)
        interval = np.broadcast_to(stage.interval, len(need)).tolist()
        for gap in interval:
            self._run = 1 if gap > 0 else self._run + 1
            self.burst = max(self.burst, self._run)
        self.need += (need + self.inputs).tolist()
        self.hold += (need + self.inputs + getattr(stage, "ahead", 0)).tolist()
        self.interval += interval
        self.latency += [stage.latency] * len(need)
        self.inputs += tokens
        return len(need)

    def advance(self) -> bool:
        """Let outputs leave and take inputs, in turn."""
        # The hot loop: one call moves few tokens, so everything is a local name.
        left, taken, need, hold = self.left, self.taken, self.need, self.hold
        latency, interval, intake, sources, targets = (
            self.latency, self.interval, self.intake, self.sources, self.targets,
        )  # fmt: skip
        start_j = j = len(left)
        start_i = i = len(taken)
        outputs, inputs, k = len(need), self.inputs, self._started
        while True:
            while j < outputs and need[j] < i:
                time = taken[need[j]] + latency[j]
                if j and (later := left[-1] + interval[j]) > time:
                    time = later
                for link in targets:
                    if (room := j - link.queue) >= 0:
                        if room >= len(link.taken):
                            break
                        if (later := link.taken[room] + 1 - link.delay) > time:
                            time = later
                else:
                    left.append(time)
                    for link in targets:
                        link.arrived.append(time + link.delay)
                    j += 1
                    continue
                break
            if i == inputs:
                break
            while k < outputs and hold[k] < i:
                k += 1
            if k > j:
                break
            time = taken[-1] + intake if i else -ENDLESS
            for link in sources:
                if len(link.arrived) <= i:
                    break
                if (later := link.arrived[i]) > time:
                    time = later
            else:
                if k and (later := left[k - 1] - latency[k - 1] + interval[k - 1]) > time:
                    time = later
                taken.append(time)
                for link in sources:
                    link.taken.append(time)
                i += 1
                continue
            break
        self._started = k
        return j > start_j or i > start_i


@dataclass
class Feeder(Port):
    """A source: one token every `interval` cycles, as soon as there is room; `due` holds back first tokens."""

    interval: int = 1
    count: int = 0
    due: dict[int, int] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)

    def append(self, tokens: int, due: int) -> None:
        """One more sequence, whose first token does not come before cycle `due`."""
        self.due[self.count] = due
        self.count += tokens

    def advance(self) -> bool:
        """Send what there is room for."""
        start = len(self.left)
        while (j := len(self.left)) < self.count:
            time = max((self.left[-1] if self.left else -1) + self.interval, self.due.get(j, 0))
            full = False
            for link in self.targets:
                if j >= link.queue:
                    full |= len(link.taken) <= j - link.queue
                    time = max(time, 0 if full else link.taken[j - link.queue] + 1 - link.delay)
            if full:
                break
            self.left.append(time)
            for link in self.targets:
                link.arrived.append(time + link.delay)
        return len(self.left) > start


@dataclass
class Sink:
    """An output: takes every token at once."""

    link: Link

    def advance(self) -> bool:
        """Take what has arrived."""
        new = self.link.arrived[len(self.link.taken) :]
        self.link.taken += new
        return bool(new)


def run(workers: Sequence[Worker]) -> None:
    """Advance all until none can."""
    while sum(worker.advance() for worker in workers):
        pass
