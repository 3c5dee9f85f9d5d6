# SPDX-License-Identifier: Apache-2.0
"""Which folding each operator gets: the shortest time that fits the budget, with little hardware.

The time of a design in steady state is that of its slowest operator, so the search is over one number, the
*target*: the smallest for which some choice per operator is fast enough and all choices fit together. Whether
they fit is a knapsack with several resources, solved operator by operator: keep the sums that no other beats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import BudgetError, DataError

Floats = npt.NDArray[np.float64]

KEEP = 256
"""Partial sums kept per operator; with fewer on the way, the answer is exact."""


@dataclass(frozen=True)
class Choice:
    """One legal folding of an operator.

    Attributes:
        key: what the caller calls it; any JSON value.
        cycles: cycles per sequence in steady state (expected, when lengths vary).
        cost: amount of each resource.
    """

    key: Any
    cycles: float
    cost: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Options:
    """An operator and all its legal foldings."""

    name: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True)
class Plan:
    """Chosen foldings.

    Attributes:
        chosen: per operator.
        cycles: of the slowest operator.
        total: amount of each budgeted resource.
        exact: no plan is faster; otherwise the search had to drop candidates.
    """

    chosen: Mapping[str, Choice]
    cycles: float
    total: Mapping[str, float]
    exact: bool


def cheapest(options: Iterable[Options], target: float, budget: Mapping[str, float]) -> Plan:
    """Per operator the cheapest choice of at most `target` cycles, whether or not the sum fits.

    Cheap means the sum of its shares of the budget.

    Raises:
        BudgetError: an operator has no choice that is fast enough.
    """
    chosen = {}
    for one in options:
        fast = [c for c in one.choices if c.cycles <= target]
        if not fast:
            best = min(c.cycles for c in one.choices)
            raise BudgetError(f"operator {one.name}", f"needs {best:g} cycles at its fastest", f"{target:g} cycles")
        chosen[one.name] = min(fast, key=lambda c: (_share(c.cost, budget), c.cycles))
    return _plan(chosen, budget, True)


def _share(cost: Mapping[str, float], budget: Mapping[str, float]) -> float:
    """Sum of the shares of the budget; a resource that the budget lacks costs everything."""
    return sum(v / budget[k] if budget[k] else (1e9 if v else 0.0) for k, v in cost.items() if k in budget)


def _plan(chosen: Mapping[str, Choice], budget: Mapping[str, float], exact: bool) -> Plan:
    total = {k: float(sum(c.cost.get(k, 0) for c in chosen.values())) for k in budget}
    return Plan(dict(chosen), max(c.cycles for c in chosen.values()), total, exact)


def search(options: Sequence[Options], budget: Mapping[str, float]) -> Plan:
    """The plan with the smallest target that fits the budget; among equally fast ones a cheap one.

    Args:
        budget: amount of each resource; a resource that is not named is free.

    Raises:
        BudgetError: not even the smallest foldings fit; names each resource and by how much.
        DataError: an operator has no folding.
    """
    for one in options:
        if not one.choices:
            raise DataError(f"operator {one.name}", "no legal folding", "at least one")
    if not options:
        raise DataError("options", "no operators", "at least one")
    floor = max(min(c.cycles for c in one.choices) for one in options)
    targets = sorted({c.cycles for one in options for c in one.choices if c.cycles >= floor})
    best, exact = _fit(options, targets[-1], budget)
    if best is None:
        raise _infeasible(options, budget)
    low, high = 0, len(targets) - 1
    while low < high:
        middle = (low + high) // 2
        plan, complete = _fit(options, targets[middle], budget)
        exact &= complete or plan is not None
        if plan is None:
            low = middle + 1
        else:
            best, high = plan, middle
    return Plan(best.chosen, best.cycles, best.total, exact)


def _fit(options: Sequence[Options], target: float, budget: Mapping[str, float]) -> tuple[Plan | None, bool]:
    """A cheap plan within target and budget, or None; and whether nothing was dropped on the way."""
    names = list(budget)
    limit = np.asarray([budget[k] for k in names], np.float64)
    scale = np.where(limit > 0, limit, 1.0)
    sums: Floats = np.zeros((1, len(names)))
    trail: list[tuple[list[Choice], npt.NDArray[np.int64]]] = []
    complete = True
    # What the operators still to come need at least: a sum beyond that cannot be completed.
    rest = [_least(one, target, names) for one in options]
    for index, one in enumerate(options):
        fast = [c for c in one.choices if c.cycles <= target]
        costs = np.asarray([[c.cost.get(k, 0) for k in names] for c in fast], np.float64).reshape(-1, len(names))
        both = (sums[:, None] + costs[None]).reshape(-1, len(names))
        ahead = sum(rest[index + 1 :], np.zeros(len(names)))
        alive = np.flatnonzero(np.all(both + ahead <= limit + 1e-9, axis=1))
        alive = alive[_front(both[alive] / scale)]
        if len(alive) == 0:
            return None, complete
        if len(alive) > KEEP:
            complete = False
            alive = _spread(both, alive, scale)
        sums = both[alive]
        trail.append((fast, alive))
    pick = int(np.argmin((sums / scale).sum(axis=1)))
    chosen: dict[str, Choice] = {}
    for one, (fast, alive) in zip(reversed(options), reversed(trail), strict=True):
        before, which = divmod(int(alive[pick]), len(fast))
        chosen[one.name], pick = fast[which], before
    return _plan({o.name: chosen[o.name] for o in options}, budget, complete), complete


def _least(one: Options, target: float, names: Sequence[str]) -> Floats:
    fast = [c for c in one.choices if c.cycles <= target]
    return np.asarray([min((c.cost.get(k, 0) for c in fast), default=0) for k in names], np.float64)


def _front(points: Floats) -> npt.NDArray[np.int64]:
    """Indices of the points that no other point equals or beats in every coordinate."""
    if len(points) == 0:
        return np.zeros(0, np.int64)
    order = np.lexsort((*points.T[::-1], points.sum(axis=1)))
    kept: list[int] = []
    front = np.empty((0, points.shape[1]))
    for i in order:
        if not np.any(np.all(front <= points[i] + 1e-12, axis=1)):
            kept.append(int(i))
            front = np.vstack([front, points[i]])
    return np.asarray(kept, np.int64)


def _spread(both: Floats, alive: npt.NDArray[np.int64], scale: Floats) -> npt.NDArray[np.int64]:
    """`KEEP` of the sums: the best in total and the best in each resource."""
    shares = both[alive] / scale
    ranks = [np.argsort(shares.sum(axis=1), kind="stable")]
    ranks += [np.argsort(shares[:, k], kind="stable") for k in range(shares.shape[1])]
    each = KEEP // len(ranks)
    return alive[np.unique(np.concatenate([r[:each] for r in ranks]))]


def _infeasible(options: Sequence[Options], budget: Mapping[str, float]) -> BudgetError:
    """Say which resource is short, by how much, and who needs most of it."""
    lines = []
    least = {k: sum(min(c.cost.get(k, 0) for c in o.choices) for o in options) for k in budget}
    short = {k: v for k, v in least.items() if v > budget[k]}
    if not short:
        # Each resource alone would do, but not all in one plan: show the plan that is cheapest overall.
        plan = cheapest(options, max(c.cycles for o in options for c in o.choices), budget)
        short = {k: v for k, v in plan.total.items() if v > budget[k]}
    for key, need in short.items():
        most = max(options, key=lambda o: min(c.cost.get(key, 0) for c in o.choices))
        lines.append(
            f"{key}: at least {need:g} needed, {budget[key]:g} available, {need - budget[key]:g} short "
            f"(most of it in {most.name})"
        )
    text = "; ".join(lines) or "no plan fits all resources at once"
    return BudgetError(
        "folding",
        text,
        "a plan within the budget",
        "choose a larger board, narrower weights, or a smaller network",
    )


def as_json(plan: Plan) -> dict[str, Any]:
    """Plain dictionaries of a plan."""
    chosen = {k: {"key": c.key, "cycles": c.cycles, "cost": dict(c.cost)} for k, c in plan.chosen.items()}
    return {"chosen": chosen, "cycles": plan.cycles, "total": dict(plan.total), "exact": plan.exact}


def options_from_json(data: Iterable[Mapping[str, Any]]) -> list[Options]:
    """Operators from `[{"name": .., "choices": [{"key": .., "cycles": .., "cost": {..}}]}]`.

    Raises:
        DataError: a key is missing or unknown.
    """
    try:
        return [Options(o["name"], tuple(Choice(**c) for c in o["choices"])) for o in data]
    except (KeyError, TypeError) as error:
        raise DataError("options", f"bad or missing key: {error}", "name, choices of key, cycles, cost") from None
