# SPDX-License-Identifier: Apache-2.0
"""How many cycles a batch takes: a max-plus model, token by token, with links of finite length.

For output token j of a stage, with C the time an input token is taken and D the time an output token leaves:

    D[j] = max(C[need[j]] + latency, D[j-1] + interval, C'[j - queue] + 1)
    C[i] = max(A[i], C[i-1] + intake, D[k] - latency + interval)

where k is the last output with need[k] < i - ahead, A is the arrival at the stage (D of the stage before; the
latest one where streams join), and C' are the times at which the reader behind takes the tokens: a full link
stops the stage, which in turn stops taking tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gatewright.errors import DataError, SimulationError
from gatewright.scheduler.pipeline import LINK, Ints, Operator, Pipeline, StageLike

EXACT_TOKENS = 300_000
"""Stage tokens that are simulated one by one; beyond, the rest of the batch is extrapolated."""

SETTLED = 12
"""Equal sequences after which the period is taken as it is."""


@dataclass(frozen=True)
class Prediction:
    """Cycles of a batch, counted from the first input beat to the last output beat, both included.

    Attributes:
        cycles: of the whole batch.
        finished: cycle in which each simulated sequence has left, from the first input beat.
        period: cycles per further sequence at the end of the simulated part.
        exact: every sequence was simulated; otherwise the tail is `period` times its number.
        peaks: most tokens on the link into each (operator, input).
    """

    cycles: int
    finished: tuple[int, ...]
    period: float
    exact: bool
    peaks: dict[tuple[str, int], int]


@dataclass
class _Link:
    """Tokens under way from one writer to one reader: when they arrived, when they were taken."""

    queue: int
    arrived: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)


@dataclass
class _Unit:
    """A stage at work on the whole batch. `need` is global: later sequences continue the numbering."""

    name: str
    sources: list[_Link]
    targets: list[_Link]
    need: list[int]
    interval: list[int]
    latency: list[int]
    inputs: int
    intake: int
    ahead: int
    left: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    started: int = 0
    """Outputs whose start the intake has already waited for."""

    @property
    def burst(self) -> int:
        """Most tokens that leave in one cycle: a link inside the operator holds at least these."""
        starts = np.flatnonzero([gap > 0 or j == 0 for j, gap in enumerate(self.interval)])
        return int(np.max(np.diff([*starts, len(self.interval)])))

    def advance(self) -> bool:
        """Do all that the links allow now; true when that was anything."""
        before = len(self.left) + len(self.taken)
        while self._leave() or self._take():
            pass
        return len(self.left) + len(self.taken) > before

    def _leave(self) -> bool:
        j = len(self.left)
        if j == len(self.need) or self.need[j] >= len(self.taken):
            return False
        time = self.taken[self.need[j]] + self.latency[j]
        if j:
            time = max(time, self.left[-1] + self.interval[j])
        for link in self.targets:
            if j >= link.queue:
                if len(link.taken) <= j - link.queue:
                    return False
                time = max(time, link.taken[j - link.queue] + 1)
        self.left.append(time)
        for link in self.targets:
            link.arrived.append(time)
        return True

    def _take(self) -> bool:
        i = len(self.taken)
        if i == self.inputs:
            return False
        k = self.started
        while k < len(self.need) and self.need[k] < i - self.ahead:
            k += 1
        if k > len(self.left) or any(len(link.arrived) <= i for link in self.sources):
            return False
        self.started = k
        time = max(link.arrived[i] for link in self.sources)
        if i:
            time = max(time, self.taken[-1] + self.intake)
        if k:
            time = max(time, self.left[k - 1] - self.latency[k - 1] + self.interval[k - 1])
        self.taken.append(time)
        for link in self.sources:
            link.taken.append(time)
        return True


@dataclass
class _Feeder:
    """A source: one token every `interval` cycles, as soon as there is room; `due` holds back first tokens."""

    targets: list[_Link]
    interval: int
    count: int
    due: dict[int, int]
    left: list[int] = field(default_factory=list)

    def advance(self) -> bool:
        start = len(self.left)
        while (j := len(self.left)) < self.count:
            time = max((self.left[-1] if self.left else -1) + self.interval, self.due.get(j, 0))
            full = False
            for link in self.targets:
                if j >= link.queue:
                    full |= len(link.taken) <= j - link.queue
                    time = max(time, 0 if full else link.taken[j - link.queue] + 1)
            if full:
                break
            self.left.append(time)
            for link in self.targets:
                link.arrived.append(time)
        return len(self.left) > start


@dataclass
class _Sink:
    """An output: takes every token at once."""

    link: _Link

    def advance(self) -> bool:
        new = self.link.arrived[len(self.link.taken) :]
        self.link.taken += new
        return bool(new)


def _unit(operator: Operator, index: int, order: Sequence[int], inputs: Ints) -> tuple[_Unit, Ints]:
    """Stage `index` over the batch, and its number of output tokens per sequence."""
    stages: list[StageLike] = [operator.stages[kind][index] for kind in order]
    place = f"operator {operator.name}, stage {index}"
    needs, counts, base = [], [], 0
    for stage, tokens in zip(stages, inputs, strict=True):
        need = np.asarray(stage.need, np.int64)
        if len(need) == 0 or need[0] < 0 or need[-1] >= tokens or np.any(np.diff(need) < 0):
            raise DataError(place, f"needs {need[:3].tolist()}.. of {tokens} tokens", "never falling, below the count")
        needs.append(need + base)
        counts.append(len(need))
        base += int(tokens)
    interval = np.concatenate([np.broadcast_to(s.interval, n) for s, n in zip(stages, counts, strict=True)])
    latency = np.repeat([s.latency for s in stages], counts)
    intake, ahead = getattr(stages[0], "intake", 1), getattr(stages[0], "ahead", 0)
    unit = _Unit(
        place,
        [],
        [],
        np.concatenate(needs).tolist(),
        interval.tolist(),
        latency.tolist(),
        base,
        intake,
        ahead,
    )
    return unit, np.asarray(counts, np.int64)


@dataclass
class _Network:
    """The whole pipeline, wired."""

    workers: list[_Unit | _Feeder | _Sink]
    sinks: list[_Sink]
    ends: list[Ints]
    links: dict[tuple[str, int], _Link]


def _wire(pipeline: Pipeline, order: Sequence[int], unlimited: bool) -> _Network:
    total = 1 << 62
    net = _Network([], [], [], {})
    writers: dict[str, tuple[_Unit | _Feeder, Ints]] = {}
    for source in pipeline.sources:
        counts = np.asarray([source.tokens[k] for k in order], np.int64)
        firsts = np.cumsum(counts) - counts
        due = {int(j): k * source.period for k, j in enumerate(firsts)}
        feeder = _Feeder([], source.interval, int(counts.sum()), due)
        net.workers.append(feeder)
        writers[source.name] = (feeder, counts)
    for operator in pipeline.operators:
        stages = range(len(operator.stages[0]))
        counts = writers[operator.inputs[0]][1]
        for port, value in enumerate(operator.inputs):
            if not np.array_equal(writers[value][1], counts):
                raise DataError(
                    f"operator {operator.name}",
                    f"input {port} ({value}) has another number of tokens",
                    "equally long inputs",
                )
        if not stages and len(operator.inputs) == 1:
            writers[operator.name] = writers[operator.inputs[0]]
            continue
        previous: _Unit | None = None
        for index in stages:
            unit, outs = _unit(operator, index, order, counts)
            if previous is None:
                for port, value in enumerate(operator.inputs):
                    given = operator.queues[port] if port < len(operator.queues) else LINK
                    link = _Link(total if unlimited else given)
                    net.links[operator.name, port] = link
                    writers[value][0].targets.append(link)
                    unit.sources.append(link)
            else:
                link = _Link(max(LINK, previous.burst))
                previous.targets.append(link)
                unit.sources.append(link)
            net.workers.append(unit)
            previous, counts = unit, outs
        assert previous is not None, operator.name
        writers[operator.name] = (previous, counts)
    for value in pipeline.outputs:
        link = _Link(total)
        writer, counts = writers[value]
        writer.targets.append(link)
        sink = _Sink(link)
        net.workers.append(sink)
        net.sinks.append(sink)
        net.ends.append(np.cumsum(counts) - 1)
    return net


def _run(net: _Network) -> None:
    """Advance every worker until nothing is left to do.

    Raises:
        SimulationError: tokens remain but none can move.
    """
    while sum(worker.advance() for worker in net.workers):
        pass
    for worker in net.workers:
        if isinstance(worker, _Unit) and len(worker.left) < len(worker.need):
            waits = worker.need[len(worker.left)]
            full = [
                f"input {port} of {name} ({link.queue} tokens)"
                for (name, port), link in net.links.items()
                if len(link.arrived) - len(link.taken) >= link.queue
            ]
            raise SimulationError(
                worker.name,
                f"deadlock: it waits for token {waits}, and these links are full: {', '.join(full)}",
                "a queue that holds what one branch runs ahead of the other",
                "deepen the queue of the join's inputs",
            )


def _peak(link: _Link) -> int:
    """Most tokens on a link at once: at each arrival, those that arrived and are not taken before."""
    arrived, taken = np.asarray(link.arrived), np.asarray(link.taken)
    if not len(arrived):
        return 0
    gone = np.searchsorted(taken, arrived, side="left")
    return int(np.max(np.arange(1, len(arrived) + 1) - gone))


def simulate(pipeline: Pipeline, order: Sequence[int] = (0,), unlimited: bool = False) -> Prediction:
    """Every token of the batch.

    Args:
        order: kinds of the sequences, in the order in which they enter.
        unlimited: links between operators without end; `Prediction.peaks` are then the depths at which none throttles.

    Raises:
        SimulationError: the design deadlocks.
        DataError: stages and token counts do not fit together.
    """
    if not order or min(order) < 0 or max(order) >= pipeline.kinds:
        raise DataError("order", f"{list(order)[:5]}", f"one or more kinds of 0 to {pipeline.kinds - 1}")
    net = _wire(pipeline, order, unlimited)
    _run(net)
    ends = [np.asarray(s.link.arrived)[e] for s, e in zip(net.sinks, net.ends, strict=True)]
    finished = (np.max(ends, axis=0) + 1).tolist()
    period = float(finished[-1] - finished[-2]) if len(finished) > 1 else float(finished[0])
    peaks = {key: _peak(link) for key, link in net.links.items()}
    return Prediction(finished[-1], tuple(finished), period, True, peaks)


def predict(pipeline: Pipeline, order: Sequence[int]) -> Prediction:
    """Cycles of the batch; exact while it is small, else a simulated head and a steady tail.

    For sequences of one kind the period is exact once it repeats. For mixed ones the tail is the mean of the
    second half of the head.

    Raises:
        as `simulate`.
    """
    work = sum(len(s.need) for o in pipeline.operators for s in o.stages[0]) + sum(
        s.tokens[0] for s in pipeline.sources
    )
    head = max(4, EXACT_TOKENS // max(1, work))
    if len(set(order)) == 1:
        head = min(head, SETTLED)
    if len(order) <= head:
        return simulate(pipeline, order)
    part = simulate(pipeline, order[:head])
    half = head // 2
    period = part.period
    if len(set(order)) > 1 or part.finished[-1] - part.finished[-2] != part.finished[-2] - part.finished[-3]:
        period = (part.finished[-1] - part.finished[half - 1]) / (head - half)
    cycles = round(part.cycles + period * (len(order) - head))
    return Prediction(cycles, part.finished, period, False, part.peaks)


def lower_bound(pipeline: Pipeline, order: Sequence[int]) -> int:
    """Cycles with links without end and free intake, in closed form: what no queue can improve on."""
    times: dict[str, tuple[Ints, Ints]] = {}
    for source in pipeline.sources:
        counts = np.asarray([source.tokens[k] for k in order], np.int64)
        times[source.name] = (np.arange(1, counts.sum() + 1) * source.interval - 1, counts)
    for operator in pipeline.operators:
        arrival = np.max([times[v][0] for v in operator.inputs], axis=0)
        counts = times[operator.inputs[0]][1]
        for index in range(len(operator.stages[0])):
            unit, outs = _unit(operator, index, order, counts)
            steps = np.concatenate([[0], np.cumsum(unit.interval[1:])])
            ready = arrival[unit.need] + np.asarray(unit.latency)
            arrival, counts = np.maximum.accumulate(ready - steps) + steps, outs
        times[operator.name] = (arrival, counts)
    return max(int(times[v][0][-1]) for v in pipeline.outputs) + 1
