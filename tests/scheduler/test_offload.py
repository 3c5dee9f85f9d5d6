# SPDX-License-Identifier: Apache-2.0
"""The offloading policy: its linear programme against simulated tasks, linear algebra, and other policies."""

import itertools
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TypeVar

import numpy as np
import pytest

from gatewright.errors import BudgetError, DataError
from gatewright.scheduler.cmdp import Process, Ratio, solve
from gatewright.scheduler.offload import WAIT, Channel, Mode, Offload, Plan, choose_offload, poisson
from gatewright.scheduler.split_json import offload_from_json, plan_as_json

CAPACITY = 8
PROBLEM = Offload(
    slot=0.1,
    arrivals=poisson(1.5, CAPACITY),
    capacity=CAPACITY,
    channel=Channel((4e5, 4e4), ((0.8, 0.2), (0.3, 0.7)), watts=0.2),
    modes=(
        Mode("here", seconds=0.03, joules=0.002, bytes=0, remote=0, accuracy=0.8),
        Mode("whole", seconds=0.04, joules=0.004, bytes=0, remote=0, accuracy=0.93),
        Mode("coarse", seconds=0.001, joules=0.0001, bytes=800, remote=0.02, accuracy=0.9),
        Mode("fine", seconds=0.001, joules=0.0001, bytes=3200, remote=0.02, accuracy=0.99),
    ),
)
LIMITS = [(None, None), (0.12, None), (None, 0.95), (0.15, 0.94), (0.08, 0.9)]


T = TypeVar("T")


def drawn(chances: Mapping[T, float], at: float) -> T:
    """The one of the choices that a uniform number falls to."""
    *others, last = chances.items()
    for one, chance in others:
        at -= chance
        if at < 0:
            return one
    return last[0]


def simulated(problem: Offload, plan: Plan, slots: int, seed: int) -> np.ndarray:
    """[parts, 4] means of energy, delay, accuracy and drops in 20 parts of a run; every task has its own clock."""
    draws = np.random.default_rng(seed).random((slots, 3))
    modes = {m.name: m for m in problem.modes}
    arrivals = np.minimum(np.searchsorted(np.cumsum(problem.arrivals), draws[:, 1]), len(problem.arrivals) - 1).tolist()
    queue: deque[float] = deque()
    channel, totals = 0, np.zeros((20, 6))
    for slot, (which, _, change) in enumerate(draws.tolist()):
        row = [0.0] * 4
        now = slot * problem.slot
        mode = modes.get(drawn(plan.policy[channel][len(queue)], which))
        if mode is not None:
            sending = mode.bytes / problem.channel.bandwidth[channel]
            done = now
            while queue and done + mode.seconds + sending <= now + problem.slot + 1e-9:
                done += mode.seconds + sending
                row[0] += mode.joules + problem.channel.watts * sending
                row[1] += done + mode.remote - queue.popleft()
                row[2] += mode.accuracy
                row[3] += 1
        entering = min(arrivals[slot], problem.capacity - len(queue))
        queue.extend([now + problem.slot] * entering)
        totals[slot * 20 // slots] += [*row[:3], arrivals[slot] - entering, row[3], arrivals[slot]]
        channel = drawn(dict(enumerate(problem.channel.change[channel])), change)
    energy, delay, right, lost, served, arrived = totals.T
    return np.stack([energy / served, delay / served, right / arrived, lost / arrived], axis=1)


@pytest.mark.parametrize("limits", [(0.15, 0.94), (0.12, None)])
def test_simulated_tasks_have_the_averages(limits: tuple[float | None, float | None]) -> None:
    plan = choose_offload(PROBLEM, *limits)
    parts = simulated(PROBLEM, plan, 300_000, seed=7)
    wanted = np.array([plan.joules, plan.delay, plan.accuracy, plan.dropped])
    error = parts.std(axis=0, ddof=1) / np.sqrt(len(parts))
    # Four standard errors of the mean; parts of 15,000 slots are as good as independent.
    assert np.all(np.abs(parts.mean(axis=0) - wanted) < 4 * error + 1e-9)
    # The check has teeth: it would see one percent of energy, five of delay.
    assert np.all(4 * error[:2] < [0.01, 0.05] * wanted[:2])


@pytest.mark.parametrize("limits", LIMITS)
def test_limits_are_met_and_chance_decides_rarely(limits: tuple[float | None, float | None]) -> None:
    plan = choose_offload(PROBLEM, *limits)
    delay, accuracy = limits
    assert delay is None or plan.delay <= delay + 1e-7
    assert accuracy is None or plan.accuracy >= accuracy - 1e-7
    assert len(plan.randomised) <= sum(v is not None for v in limits)
    assert all(sum(row.values()) == pytest.approx(1) for rows in plan.policy for row in rows)


@pytest.mark.parametrize("limits", [(0.15, 0.94), (0.08, 0.9)])
def test_prices_are_slopes(limits: tuple[float, float]) -> None:
    """A price times a small change of its limit is what the energy changes by."""
    plan, step = choose_offload(PROBLEM, *limits), 1e-5
    later = choose_offload(PROBLEM, limits[0] + step, limits[1])
    worse = choose_offload(PROBLEM, limits[0], limits[1] - step)
    assert plan.joules - later.joules == pytest.approx(plan.prices["delay"] * step, rel=0.02, abs=1e-12)
    assert plan.joules - worse.joules == pytest.approx(plan.prices["accuracy"] * step, rel=0.02, abs=1e-12)
    assert max(plan.prices.values()) > 0


def small(seed: int, states: int = 4, actions: int = 3) -> tuple[Process, list[Ratio]]:
    """A random process, where every state follows every other, and random ratios."""
    random = np.random.default_rng(seed)
    chances = random.random((states, actions, states)) + 0.05
    allowed = random.random((states, actions)) < 0.8
    allowed[:, 0] = True
    shape = (states, actions)
    ratios = [Ratio(random.random(shape), 0.5 + random.random(shape)) for _ in range(3)]
    return Process(chances / chances.sum(axis=2, keepdims=True), allowed), ratios


def time_shares(process: Process, policy: np.ndarray) -> np.ndarray:
    """Occupation measure of a policy from the eigenvector of its chain."""
    values, vectors = np.linalg.eig(np.einsum("sa,sat->st", policy, process.transition).T)
    shares = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    return (shares / shares.sum())[:, None] * policy


@pytest.mark.parametrize("seed", range(12))
def test_measure_is_stationary_and_no_policy_is_better(seed: int) -> None:
    process, (cost, first, second) = small(seed)
    free = solve(process, cost, {})
    assert free is not None and not free.randomised
    pure = [time_shares(process, np.eye(3)[list(p)]) for p in itertools.product(range(3), repeat=4)]
    pure = [m for m in pure if not np.any(m[~process.allowed])]
    assert free.value == pytest.approx(min(cost.of(m) for m in pure))
    # Limits halfway between what is free and what is possible: they bind.
    limits = {}
    for name, ratio in {"first": first, "second": second}.items():
        limits[name] = (ratio, (ratio.of(free.measure) + min(ratio.of(m) for m in pure)) / 2)
    found = solve(process, cost, limits)
    if found is None:
        assert not any(all(r.of(m) <= v for r, v in limits.values()) for m in pure)
        return
    assert np.allclose(time_shares(process, found.policy), found.measure, atol=1e-9)
    assert len(found.randomised) <= 2
    assert all(ratio.of(found.measure) <= limit + 1e-7 for ratio, limit in limits.values())
    random = np.random.default_rng(seed)
    for _ in range(300):
        policy = random.dirichlet(np.full(3, 0.3), size=4) * process.allowed
        if policy.sum(axis=1).min() > 0:
            other = time_shares(process, policy / policy.sum(axis=1, keepdims=True))
            # Weak duality: what a policy saves costs at least as much in limits that it breaks.
            forgiven = 0.0
            for name, (ratio, limit) in limits.items():
                weight = weigh(other, ratio, cost) / weigh(found.measure, ratio, cost)
                forgiven += found.prices[name] * weight * (ratio.of(other) - limit)
            assert cost.of(other) + forgiven >= found.value - 1e-7


def weigh(measure: np.ndarray, ratio: Ratio, cost: Ratio) -> float:
    """How much of a ratio's denominator comes with one of the objective's."""
    return float((measure * ratio.per).sum() / (measure * cost.per).sum())


def test_more_is_never_dearer() -> None:
    """Energy falls with the limit on delay and rises with that on accuracy."""
    by_delay = [choose_offload(PROBLEM, d, 0.93).joules for d in (0.1, 0.15, 0.2, 0.3)]
    by_accuracy = [choose_offload(PROBLEM, 0.2, a).joules for a in (0.8, 0.9, 0.95)]
    assert by_delay == sorted(by_delay, reverse=True) and by_accuracy == sorted(by_accuracy)
    assert by_delay[0] > by_delay[-1] and by_accuracy[-1] > by_accuracy[0]


def test_messages_name_the_limit_and_what_would_do() -> None:
    with pytest.raises(BudgetError, match="accuracy >= 0.999 wanted") as caught:
        choose_offload(PROBLEM, accuracy=0.999)
    best = float(caught.value.hint.split("accuracy >= ")[1].split(";")[0])
    # The greatest that is possible; a queue that is full now and then loses some.
    assert choose_offload(PROBLEM, accuracy=best - 1e-5).accuracy < 0.99
    with pytest.raises(
        BudgetError, match=r"accuracy >= 0.97 wanted, 0\.\d+ is the best with delay <= 0.05 s"
    ) as caught:
        choose_offload(PROBLEM, 0.05, 0.97)
    assert "accept delay <=" in caught.value.hint and "or accuracy >=" in caught.value.hint
    with pytest.raises(BudgetError, match="relax delay and accuracy"):
        choose_offload(PROBLEM, 0.001, 0.999)


def test_an_optimum_that_depends_on_the_start_is_refused() -> None:
    """Two states that never meet: half the time in each meets the limit, but no single start does."""
    stay = Process(np.eye(2)[:, None, :], np.ones((2, 1), bool))
    one = np.ones((2, 1))
    cost, limit = Ratio(np.array([[0.0], [1.0]]), one), Ratio(np.array([[1.0], [0.0]]), one)
    with pytest.raises(DataError, match="depend on the start"):
        solve(stay, cost, {"half": (limit, 0.5)})


def test_json_there_and_back() -> None:
    assert offload_from_json(json.loads(json.dumps(asdict(PROBLEM)))) == PROBLEM
    assert offload_from_json({**asdict(PROBLEM), "arrivals": 1.5}) == PROBLEM
    plan = json.loads(json.dumps(plan_as_json(choose_offload(PROBLEM)), allow_nan=False))
    assert plan["prices"] == {"delay": 0, "accuracy": 0} and len(plan["policy"][1]) == CAPACITY + 1
    with pytest.raises(DataError, match="watts"):
        offload_from_json({**asdict(PROBLEM), "channel": {"bandwidth": [1], "change": [[1]]}})


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"slot": 0.0}, "slot and capacity above 0"),
        ({"arrivals": (0.5, 0.4)}, "chances that add up to one"),
        ({"arrivals": (1.0,)}, "tasks that arrive"),
        ({"channel": Channel((1.0, 2.0), ((1.0,),), 0.1)}, "one row"),
        ({"modes": (Mode("m", 0.2, 1, 0, 0, 1),)}, "no mode is done within a slot: 0.2 s"),
        ({"modes": (Mode(WAIT, 1, 1, 1, 1, 1),)}, "names that differ"),
        ({"modes": (Mode("m", 1, 1, 1, 1, 1.5),)}, "accuracy of 0 to 1"),
    ],
)
def test_a_wrong_problem_is_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(DataError, match=text):
        replace(PROBLEM, **change)
