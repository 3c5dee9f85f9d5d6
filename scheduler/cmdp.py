# SPDX-License-Identifier: Apache-2.0
"""Constrained Markov decision processes with long-run averages, solved exactly as a linear programme.

The unknowns are the occupation measure: how often each action is taken in each state (Altman, Constrained Markov
Decision Processes, 1999, chapter 4). Objective and limits are ratios of averages, as energy per task is; the measure
is scaled so that the objective's denominator is one (Charnes and Cooper, 1962), which keeps the programme linear.
A vertex of it randomises in at most as many states as there are limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewright.errors import DataError, ToolError
from gatewright.scheduler.early_exit import Bools
from gatewright.scheduler.sites import Floats

NONE = 1e-12
"""A smaller share of time is none: the solver's rounding."""

LIKELY = (1e-2, 1e-6, 0.0)
"""Chances of a way back from states that take no share of time, in the order in which they are looked for."""

AGREE = 1e-6
"""Shares of time of the programme and of the policy's own chain differ by less."""

SINGULAR = 1e-8
"""A chain with a smaller singular value has a second class of states, or almost."""


@dataclass(frozen=True, eq=False)
class Process:
    """What an action does.

    Attributes:
        transition: [states, actions, states] chances of the next state.
        allowed: [states, actions].

    Raises:
        DataError: chances do not add up to one, or a state has no action.
    """

    transition: Floats
    allowed: Bools

    def __post_init__(self) -> None:
        chances = self.transition[self.allowed]
        if not np.allclose(chances.sum(axis=-1), 1) or chances.min(initial=0) < 0:
            raise DataError("decision process", "chances of the next state do not add up to one", "rows of chances")
        if not self.allowed.any(axis=1).all():
            state = int(np.flatnonzero(~self.allowed.any(axis=1))[0])
            raise DataError("decision process", f"no action in state {state}", "at least one")


@dataclass(frozen=True, eq=False)
class Ratio:
    """A long-run average: the mean of `over` by the mean of `per`, both [states, actions]; `per` at least 0."""

    over: Floats
    per: Floats

    def of(self, measure: Floats) -> float:
        """Its value under an occupation measure; infinite if nothing of `per` ever happens."""
        per = float((measure * self.per).sum())
        return float((measure * self.over).sum()) / per if per else float("inf")


@dataclass(frozen=True, eq=False)
class Solution:
    """An optimal stationary policy.

    Attributes:
        policy: [states, actions] chance of each action.
        measure: [states, actions] share of time.
        value: of the objective.
        prices: by limit, how much the objective falls per unit that the limit is raised (its dual); 0 if it is slack.
    """

    policy: Floats
    measure: Floats
    value: float
    prices: dict[str, float]

    @property
    def randomised(self) -> list[int]:
        """States in which chance decides."""
        return [int(s) for s in np.flatnonzero((self.policy > NONE).sum(axis=1) > 1)]


def solve(process: Process, objective: Ratio, limits: Mapping[str, tuple[Ratio, float]]) -> Solution | None:
    """The stationary policy with the least objective, of all whose ratios are at most their limits.

    Returns:
        None if no policy meets the limits.

    Raises:
        DataError: the states fall into classes that the optimum never leaves, so that averages depend on the start.
        ToolError: SciPy is missing, or its solver gave up.
    """
    states, actions = np.nonzero(process.allowed)
    pair = (states, actions)
    balance = -process.transition[pair].T
    balance[states, np.arange(len(states))] += 1
    # One balance follows from the others; with it, the solver's rounding of tiny chances could contradict itself.
    equal = np.vstack([balance[1:], objective.per[pair] / _scale(objective.per[pair])])
    rows = [(ratio.over - limit * ratio.per)[pair] for ratio, limit in limits.values()]
    scales = [_scale(row) for row in rows]
    most = np.asarray([row / s for row, s in zip(rows, scales, strict=True)]).reshape(-1, len(states))
    cost, one = objective.over[pair], np.append(np.zeros(len(balance) - 1), 1 / _scale(objective.per[pair]))
    found = _linear_programme(cost / _scale(cost), equal, one, most)
    if found is None:
        return None
    times, marginals = found
    measure = np.zeros(process.allowed.shape)
    measure[pair] = np.where(times > NONE * times.sum(), times, 0)
    # A limit raised by d frees d times the limit's denominator.
    freed = [float((measure * ratio.per).sum()) for ratio, _ in limits.values()]
    prices = -np.asarray(marginals) * freed / scales * _scale(cost)
    measure /= measure.sum()
    policy = _policy(process, measure)
    _check(process, policy, measure)
    # A slack limit has a dual of minus zero.
    named = dict(zip(limits, np.maximum(prices, 0.0).tolist(), strict=True))
    return Solution(policy, measure, objective.of(measure), named)


def _scale(row: Floats) -> float:
    """Largest entry: the solver's tolerances are absolute, and joules or seconds may be small."""
    return float(np.abs(row).max(initial=0)) or 1.0


def _linear_programme(cost: Floats, equal: Floats, one: Floats, most: Floats) -> tuple[Floats, Floats] | None:
    """A vertex x >= 0 of least `cost` with `equal` x = `one` and `most` x <= 0, and the duals of `most`."""
    optimize, sparse = _scipy("optimize"), _scipy("sparse")
    # Both end in a vertex: the dual simplex, and, where that loses its way, an interior point method with crossover.
    for method in ("highs-ds", "highs-ipm"):
        found = optimize.linprog(
            cost,
            A_eq=sparse.csr_array(equal),
            b_eq=one,
            A_ub=most if len(most) else None,
            b_ub=np.zeros(len(most)) if len(most) else None,
            method=method,
        )
        if found.status in (0, 2):
            break
    if found.status == 2:
        return None
    if found.status != 0:
        raise ToolError("linear programme", f"HiGHS: {found.message}", hint="scale costs nearer to one")
    return found.x, found.ineqlin.marginals


def _policy(process: Process, measure: Floats) -> Floats:
    """Chances of actions. States without a share of time are left at once towards those with one."""
    time = measure.sum(axis=1)
    steady = time > 0
    policy = np.where(steady[:, None], measure / np.where(steady, time, 1.0)[:, None], 0.0)
    reached = steady.copy()
    # Probable ways back first: one that takes ages is none.
    for least in LIKELY:
        while not reached.all():
            chance = np.where(process.allowed, process.transition[:, :, reached].sum(axis=2), 0.0)
            new = np.flatnonzero(~reached & (chance.max(axis=1) > least))
            if not len(new):
                break
            policy[new, chance[new].argmax(axis=1)] = 1
            reached[new] = True
    lost = np.flatnonzero(~reached)
    policy[lost, process.allowed[lost].argmax(axis=1)] = 1
    return policy


def _check(process: Process, policy: Floats, measure: Floats) -> None:
    """Raises DataError unless the measure is the one and only that the policy leads to, from any start.

    HiGHS takes chances below 1e-9 for none, so classes that hardly ever meet are found here too.
    """
    time = measure.sum(axis=1)
    chain = np.einsum("sa,sat->st", policy, process.transition)
    states = len(time)
    equations = np.vstack([chain.T - np.eye(states), np.ones(states)])
    led, _, _, singular = np.linalg.lstsq(equations, np.append(np.zeros(states), 1.0), rcond=None)
    if singular[-1] < SINGULAR or np.abs(led - time).max() > AGREE:
        raise DataError(
            "decision process",
            "states fall into classes that the optimum hardly ever leaves, so its averages depend on the start",
            "a process whose every policy returns to some common state",
            "give every state some chance of that one (of a full queue: arrivals that can fill it)",
        )


def _scipy(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"scipy.{name}")
    except ImportError:
        raise ToolError("scipy", "not installed", hint="pip install 'gatewright[schedule]'") from None
