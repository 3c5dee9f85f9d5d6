# SPDX-License-Identifier: Apache-2.0
"""How a device should treat its tasks, slot by slot: at which sampling rate, here or on another site, or not yet.

Collaborative inference as a constrained Markov decision process, as Wu et al. pose it ("Accuracy-guaranteed
collaborative DNN inference in industrial IoT via deep reinforcement learning", 2021; they train a network): the
state is the radio channel and the queue of tasks, the action the mode in which the queue is served for a slot, the
cost the device's energy, with a limit on the mean delay and one on the mean accuracy.

Tasks that arrive during a slot join the queue at its end, and their delay counts from there; those that find it full
are dropped and count as wrong. In a slot a mode serves tasks one after another, as many as fit; the rest waits for
the next. If arrivals can fill the queue within one slot and each channel state is reached from each, every policy has
one class of recurrent states and an optimum exists; otherwise it may not, and `cmdp.solve` then says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from gatewright.errors import BudgetError, DataError
from gatewright.scheduler.cmdp import NONE, Process, Ratio, Solution, solve

WAIT = "wait"
"""The action that serves nothing."""


@dataclass(frozen=True)
class Mode:
    """A way to serve a task.

    Attributes:
        name: of the mode.
        seconds, joules: that the device computes for one task.
        bytes: that it sends for one task.
        remote: seconds from then until the answer is back.
        accuracy: share of right answers.
    """

    name: str
    seconds: float
    joules: float
    bytes: float
    remote: float
    accuracy: float


@dataclass(frozen=True)
class Channel:
    """A radio channel that changes from slot to slot.

    Attributes:
        bandwidth: per state, bytes per second.
        change: per state, chances of the state in the next slot.
        watts: that sending takes.
    """

    bandwidth: tuple[float, ...]
    change: tuple[tuple[float, ...], ...]
    watts: float


@dataclass(frozen=True)
class Offload:
    """The problem.

    Attributes:
        slot: seconds.
        arrivals: chances of 0, 1, 2, .. tasks in a slot.
        capacity: tasks that the queue holds.
        channel: to the other site.
        modes: to choose from.

    Raises:
        DataError: something does not fit together.
    """

    slot: float
    arrivals: tuple[float, ...]
    capacity: int
    channel: Channel
    modes: tuple[Mode, ...]

    def __post_init__(self) -> None:
        states = len(self.channel.bandwidth)
        rows = [self.arrivals, *self.channel.change]
        names = [WAIT, *(m.name for m in self.modes)]
        checks = {
            "slot and capacity above 0": self.slot > 0 and self.capacity > 0,
            "at least one mode, names that differ": 1 < len(names) == len(set(names)),
            "bandwidths above 0": states > 0 and min(self.channel.bandwidth) > 0,
            "one row of the channel's changes per state": [len(r) for r in self.channel.change] == [states] * states,
            "chances that add up to one": all(min(r) >= 0 and math.isclose(sum(r), 1, rel_tol=1e-9) for r in rows),
            "tasks that arrive": self.arrivals[0] < 1,
        }
        for allowed, met in checks.items():
            if not met:
                raise DataError("offload", "an impossible problem", allowed)
        for mode in self.modes:
            numbers = (mode.seconds, mode.joules, mode.bytes, mode.remote)
            if min(numbers) < 0 or mode.seconds + mode.bytes <= 0 or not 0 <= mode.accuracy <= 1:
                raise DataError(f"mode {mode.name}", f"{mode}", "times and sizes of 0 or more, accuracy of 0 to 1")

        fastest = min(self.busy(mode, channel) for mode in self.modes for channel in range(states))
        if fastest > self.slot:
            raise DataError("offload", f"no mode is done within a slot: {fastest:.6g} s", f"at most {self.slot:.6g} s")

    @property
    def rate(self) -> float:
        """Tasks that arrive per slot, on average."""
        return sum(n * p for n, p in enumerate(self.arrivals))

    def busy(self, mode: Mode, channel: int) -> float:
        """Seconds that the device is busy with one task."""
        return mode.seconds + mode.bytes / self.channel.bandwidth[channel]

    def joules(self, mode: Mode, channel: int) -> float:
        """Energy of the device for one task."""
        return mode.joules + self.channel.watts * mode.bytes / self.channel.bandwidth[channel]

    def served(self, mode: Mode, channel: int, queue: int) -> int:
        """Tasks of a queue that one slot serves."""
        # The slack keeps 0.3 / 0.1 at three.
        return min(queue, int(self.slot / self.busy(mode, channel) + 1e-9))


@dataclass(frozen=True)
class Plan:
    """An optimal policy and its long-run averages.

    Attributes:
        policy: per channel state and queue length, the chance of each mode, or of "wait".
        joules: of the device, per task that is served.
        delay: seconds per task that is served.
        accuracy: share of right answers among the tasks that arrive.
        dropped: share of tasks that found the queue full.
        prices: joules per served task that one second more of "delay", and one less of "accuracy" (from all to none),
            would save; 0 if there is no such limit or it does not bind.
        randomised: (channel state, queue length) where chance decides: no more than there are limits.
    """

    policy: tuple[tuple[dict[str, float], ...], ...]
    joules: float
    delay: float
    accuracy: float
    dropped: float
    prices: dict[str, float]
    randomised: tuple[tuple[int, int], ...]


@dataclass(frozen=True, eq=False)
class _Model:
    """The decision process: state `channel * (capacity + 1) + queue`, action 0 waits."""

    process: Process
    energy: Ratio
    delay: Ratio
    error: Ratio
    dropped: Ratio


def poisson(mean: float, most: int) -> tuple[float, ...]:
    """Chances of 0 to `most` arrivals, the last one of all that are more: enough for a queue of `most` tasks."""
    chances = [math.exp(-mean) * mean**n / math.factorial(n) for n in range(most)]
    return (*chances, max(0.0, 1 - sum(chances)))


def choose_offload(problem: Offload, delay: float | None = None, accuracy: float | None = None) -> Plan:
    """The policy with the least energy per task.

    Args:
        delay: greatest mean delay of a task, in seconds.
        accuracy: least mean accuracy.

    Raises:
        BudgetError: no policy meets the limits; names what fails, the best that can be reached, and what would help.
        DataError, ToolError: as `cmdp.solve`.
    """
    model = _model(problem)
    limits: dict[str, tuple[Ratio, float]] = {}
    if delay is not None:
        limits["delay"] = (model.delay, delay)
    if accuracy is not None:
        limits["accuracy"] = (model.error, 1 - accuracy)
    found = solve(model.process, model.energy, limits)
    if found is None:
        raise _infeasible(model, limits)
    return _plan(problem, model, found)


def _model(problem: Offload) -> _Model:
    """Chances and costs of every state and action."""
    queues, states = problem.capacity + 1, len(problem.channel.bandwidth)
    shape = (states * queues, len(problem.modes) + 1)
    energy, time, served, right, lost = (np.zeros(shape) for _ in range(5))
    transition = np.zeros((*shape, shape[0]))
    allowed = np.zeros(shape, bool)
    change = np.asarray(problem.channel.change)
    for channel, queue, action, count in _actions(problem):
        at = (channel * queues + queue, action)
        stay = queue - count
        allowed[at] = True
        after = np.zeros(queues)
        for arriving, chance in enumerate(problem.arrivals):
            after[min(problem.capacity, stay + arriving)] += chance
            lost[at] += chance * max(0, stay + arriving - problem.capacity)
        transition[at] = np.outer(change[channel], after).reshape(-1)
        time[at] = stay * problem.slot
        if action:
            mode = problem.modes[action - 1]
            energy[at] = count * problem.joules(mode, channel)
            # The i-th is ready after i tasks' time.
            time[at] += count * (count + 1) / 2 * problem.busy(mode, channel) + count * mode.remote
            right[at] = count * mode.accuracy
            served[at] = count
    arrived = np.full(shape, problem.rate)
    return _Model(
        Process(transition, allowed),
        Ratio(energy, served),
        # Little's law: task seconds per slot by tasks that enter per slot.
        Ratio(time, arrived - lost),
        Ratio(arrived - right, arrived),
        Ratio(lost, arrived),
    )


def _actions(problem: Offload) -> Iterator[tuple[int, int, int, int]]:
    """Channel state, queue length, action (0: wait), tasks served; without modes that serve none."""
    for channel in range(len(problem.channel.bandwidth)):
        for queue in range(problem.capacity + 1):
            counts = [problem.served(mode, channel, queue) for mode in problem.modes]
            yield channel, queue, 0, 0
            yield from ((channel, queue, action, count) for action, count in enumerate(counts, 1) if count)


def _plan(problem: Offload, model: _Model, found: Solution) -> Plan:
    queues = problem.capacity + 1
    names = [WAIT, *(m.name for m in problem.modes)]
    rows = [{n: float(p) for n, p in zip(names, row, strict=True) if p > NONE} for row in found.policy]
    return Plan(
        tuple(tuple(rows[i : i + queues]) for i in range(0, len(rows), queues)),
        found.value,
        model.delay.of(found.measure),
        1 - model.error.of(found.measure),
        model.dropped.of(found.measure),
        {"delay": 0.0, "accuracy": 0.0, **found.prices},
        tuple(divmod(s, queues) for s in found.randomised),
    )


def _infeasible(model: _Model, limits: Mapping[str, tuple[Ratio, float]]) -> BudgetError:
    """Say which limit fails, alone or beside the other, and how far each would have to give."""
    lines, hints = [], []
    for name, (ratio, limit) in limits.items():
        others = {k: v for k, v in limits.items() if k != name}
        beside = solve(model.process, ratio, others)
        alone = beside or solve(model.process, ratio, {})
        if beside is not None:
            hints.append(_bound(name, beside.value))
        if alone is not None and alone.value > limit:
            given = " with " + " and ".join(_bound(k, v) for k, (_, v) in others.items()) if beside and others else ""
            lines.append(f"{_bound(name, limit)} wanted, {_shown(name, alone.value)} is the best{given}")
    give = "accept " + " or ".join(hints) if hints else "relax " + " and ".join(limits)
    return BudgetError(
        "offload", "; ".join(lines), "limits that some policy meets", f"{give}; or add a faster or more accurate mode"
    )


def _bound(name: str, value: float) -> str:
    return f"{name} {'>=' if name == 'accuracy' else '<='} {_shown(name, value)}"


def _shown(name: str, value: float) -> str:
    """The limit as the user gave it: accuracy is limited as the share of errors."""
    return f"{1 - value:.6g}" if name == "accuracy" else f"{value:.6g} s"
