# SPDX-License-Identifier: Apache-2.0
"""Stages at work, token by token, in max-plus arithmetic: what `flow` and `ring` advance.

For output token j of a stage, with C the time an input token is taken and D the time an output token leaves:

    D[j] = max(C[need[j]] + latency, D[j-1] + interval, C'[j - queue] + 1)
    C[i] = max(A[i], C[i-1] + intake, D[k] - latency + interval)

where k is the last output with need[k] < i - ahead (of a stage with a memory, the last output that lets a block go
which token i needs, and `release` stands for latency - interval), A is the arrival at the stage (D of the stage
before; the latest one where streams join), and C' are the times at which the reader behind takes the tokens: a full
link stops the stage, which in turn stops taking tokens.

Everything is first in, first out, so sequences are appended one after another, also while others are under way. What
nothing can read any more is dropped (`trim`), so that a stream without end needs no more memory than a short one.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from gatewright.errors import DataError
from gatewright.scheduler.link import ENDLESS, History, Link
from gatewright.scheduler.network import Port
from gatewright.scheduler.pipeline import Ints, Memory, StageLike


@dataclass(frozen=True, eq=False)
class Work:
    """A stage for one kind of sequence, checked and spread over its outputs; a unit is given it many times.

    Attributes:
        need: [outputs] the last input token that each waits for, in the sequence.
        interval: [outputs] cycles from the output before.
        tokens: input tokens of the sequence.
    """

    need: Ints
    interval: list[int]
    latency: int
    intake: int
    ahead: int
    memory: Memory | None
    tokens: int

    @staticmethod
    def of(stage: StageLike, tokens: int, place: str) -> Work:
        """Of a sequence of `tokens` input tokens. Raises DataError when an output needs a token it has not."""
        need = np.asarray(stage.need, np.int64)
        if len(need) == 0 or need[0] < 0 or need[-1] >= tokens or np.any(np.diff(need) < 0):
            problem = f"needs {need[:3].tolist()}.. of {tokens} tokens"
            raise DataError(place, problem, "never falling, below the count")
        interval = np.broadcast_to(stage.interval, len(need)).tolist()
        ahead, intake = getattr(stage, "ahead", 0), getattr(stage, "intake", 1)
        return Work(need, interval, stage.latency, intake, ahead, getattr(stage, "memory", None), tokens)

    @cached_property
    def burst(self) -> int:
        """Most tokens that leave in one cycle."""
        most = run = 0
        for gap in self.interval:
            run = 1 if gap > 0 else run + 1
            most = max(most, run)
        return most

    @cached_property
    def release(self) -> list[int]:
        """[outputs] cycles before its departure at which an output no longer keeps inputs out."""
        if self.memory is not None:
            return [self.memory.release] * len(self.need)
        return [self.latency - gap for gap in self.interval]

    @cached_property
    def arrays(self) -> tuple[Ints, Ints]:
        """[outputs] cycles from the first output to each, and `release`."""
        return np.cumsum(self.interval) - self.interval[0], np.asarray(self.release)

    @cached_property
    def cycles(self) -> int:
        """From one sequence to the next at full speed."""
        return sum(self.interval)


@dataclass
class _Kept:
    """A sequence in a stage's memory: its outputs, and the blocks that were given away before it."""

    first: int
    end: int
    blocks: int


@dataclass(eq=False)
class Unit(Port):
    """A stage at work. `need` and `hold` count tokens from the first one that `taken` remembers.

    Attributes:
        need: [outputs] the last input token that each waits for.
        hold: [outputs] the last input token that may be taken before the output is started.
        burst: most tokens that leave in one cycle: a link inside the operator holds at least these.
        busy: cycles of work that it was given.
        taken: when inputs were taken, from whatever source.
        first: index of the latest sequence's first input and first output.
        work: of the latest sequence.
        started: outputs that no longer keep out any input taken so far.
    """

    name: str = ""
    sources: list[Link] = field(default_factory=list)
    need: list[int] = field(default_factory=list)
    hold: list[int] = field(default_factory=list)
    interval: list[int] = field(default_factory=list)
    latency: list[int] = field(default_factory=list)
    release: list[int] = field(default_factory=list)
    inputs: int = 0
    intake: int = 1
    burst: int = 0
    busy: int = 0
    taken: History = field(default_factory=History)
    first: tuple[int, int] = (0, 0)
    work: Work | None = None
    started: int = 0
    _kept: deque[_Kept] = field(default_factory=deque)
    _blocks: int = 0

    def read(self, link: Link) -> None:
        """Take tokens from this link too, side by side with the others."""
        link.read_by(self.taken)
        self.sources.append(link)

    def append(self, work: Work) -> int:
        """Expect one more sequence; its number of output tokens."""
        if not self.inputs:
            self.intake = work.intake
        self.first, self.work = (self.inputs, len(self.need)), work
        self.burst = max(self.burst, work.burst)
        self.busy += work.cycles
        self.need += (work.need + self.inputs).tolist()
        if work.memory is None:
            self.hold += (work.need + (self.inputs + work.ahead)).tolist()
        else:
            self._claim(work.memory, work)
        self.interval += work.interval
        self.latency += [work.latency] * len(work.need)
        self.release += work.release
        self.inputs += work.tokens
        return len(work.need)

    def _claim(self, memory: Memory, work: Work) -> None:
        """Say which inputs of the new sequence wait until which older one lets its blocks go."""
        kept, token = self._kept, self.inputs
        while len(kept) >= memory.sequences:
            self._wait(kept.popleft(), token)
        before = self._blocks
        for token in range(self.inputs, self.inputs + work.tokens, memory.size):
            self._blocks += 1
            while kept and self._blocks - kept[0].blocks > memory.blocks:
                self._wait(kept.popleft(), token)
        # Until a later sequence needs their blocks, these outputs keep nothing out.
        self.hold += [ENDLESS] * len(work.need)
        kept.append(_Kept(len(self.hold) - len(work.need), len(self.hold), before))

    def _wait(self, kept: _Kept, token: int) -> None:
        self.hold[kept.first : kept.end] = [token - 1] * (kept.end - kept.first)

    def advance(self) -> bool:
        """Let outputs leave and take inputs, in turn."""
        # The hot loop: one call moves few tokens, so everything is a local name.
        left, taken, need, hold = self.left.times, self.taken.times, self.need, self.hold
        latency, interval, release = self.latency, self.interval, self.release
        intake, sources, targets = self.intake, self.sources, self.targets
        start_j = j = len(left)
        start_i = i = len(taken)
        outputs, inputs, k = len(need), self.inputs, self.started
        while True:
            while j < outputs and need[j] < i:
                time = taken[need[j]] + latency[j]
                if j and (later := left[-1] + interval[j]) > time:
                    time = later
                for link in targets:
                    if (room := j - link.queue + link.skip) >= 0:
                        there = link.taken.times
                        if room >= len(there):
                            break
                        if (later := there[room] + 1 - link.delay) > time:
                            time = later
                else:
                    left.append(time)
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
                there, at = link.left.times, i - link.skip
                if len(there) <= at:
                    break
                if (later := there[at] + link.delay) > time:
                    time = later
            else:
                if k and (later := left[k - 1] - release[k - 1]) > time:
                    time = later
                taken.append(time)
                i += 1
                continue
            break
        self.started = k
        return j > start_j or i > start_i

    def trim(self) -> None:
        """Forget outputs that have left and inputs that nothing depends on."""
        if not (self.left.long or self.taken.long):
            return
        gone = min(self.unread(), max(0, self.started - 1))
        self.left.drop(gone)
        for row in (self.need, self.hold, self.interval, self.latency, self.release):
            del row[:gone]
        for kept in self._kept:
            kept.first -= gone
            kept.end -= gone
        self.started -= gone
        waiting = self.need[len(self.left.times) :][:1]
        used = min([*waiting, len(self.taken.times) - 1, *(link.spare()[1] for link in self.sources)])
        if used > 0:
            self.taken.drop(used)
            self.inputs -= used
            self.need = [token - used for token in self.need]
            self.hold = [token - used for token in self.hold]
