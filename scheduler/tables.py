# SPDX-License-Identifier: Apache-2.0
"""What the methods search in: per operator the choices that no other beats, as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import BudgetError
from gatewright.scheduler.measure import delay_of, expected, share, span_of
from gatewright.scheduler.objectives import Latency, Objective, Resources
from gatewright.scheduler.problem import Choice, Options, Problem

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Table:
    """An operator's useful choices, fastest first.

    Attributes:
        options: the operator.
        choices: [choices] those kept.
        cycles: [choices] expected cycles per sequence.
        cost: [choices, resources] amounts, in the budget's order.
        share: [choices] sum of their shares of the budget, weighted by the objective; the amount of a resource that
            the budget has none of counts a billionfold.
    """

    options: Options
    choices: tuple[Choice, ...]
    cycles: Floats
    cost: Floats
    share: Floats

    def within(self, limit: float, ports: bool = False) -> Table:
        """Only what takes at most `limit` cycles; of that, only what no other choice (of its ports) beats in cost."""
        kept = np.flatnonzero(self.cycles <= limit)
        groups = [self.choices[i] for i in kept] if ports else None
        return self._at(kept[front(self.cost[kept], groups)])

    def _at(self, kept: Ints) -> Table:
        choices = tuple(self.choices[i] for i in kept)
        return Table(self.options, choices, self.cycles[kept], self.cost[kept], self.share[kept])

    def cheapest(self) -> int:
        """Index of the choice with the least share, the faster one of equals."""
        return int(np.lexsort((self.cycles, self.share))[0])


def tables(problem: Problem, objective: Objective, ports: bool = False) -> list[Table]:
    """One table per operator.

    Args:
        ports: keep what is beaten only by choices with other ports.

    Raises:
        BudgetError: the objective asks for a rate that an operator does not reach.
    """
    found = [_table(problem, one, objective, ports) for one in problem.operators]
    if isinstance(objective, Resources):
        for table in found:
            if min(table.cycles, default=np.inf) > objective.cycles:
                raise too_slow(table.options.name, float(table.cycles.min()), objective.cycles)
        found = [table.within(objective.cycles, ports) for table in found]
    return found


def too_slow(name: str, fastest: float, allowed: float) -> BudgetError:
    """No folding of an operator is fast enough: no board helps."""
    return BudgetError(
        f"operator {name}",
        f"needs {fastest:g} cycles at its fastest",
        f"{allowed:g} cycles",
        "allow more cycles per sequence",
    )


def _table(problem: Problem, one: Options, objective: Objective, ports: bool) -> Table:
    weights = objective.weights if isinstance(objective, Resources) else None
    cycles = np.asarray([expected(problem, one.name, c) for c in one.choices])
    cost = np.asarray([[c.cost.get(k, 0) for k in problem.budget] for c in one.choices], np.float64)
    cost = cost.reshape(len(cycles), -1)
    # A finite price for what is not there: sums of infinities could not be compared.
    shares = [_finite(problem, c, weights) for c in one.choices]
    criteria: list[Any] = [cycles[:, None], cost]
    if isinstance(objective, Latency):
        criteria += [[delay_of(problem, c) for c in one.choices], [span_of(c) for c in one.choices]]
    kept = front(np.hstack(criteria), one.choices if ports else None)
    kept = kept[np.lexsort((np.asarray(shares)[kept], cycles[kept]))]
    return Table(one, one.choices, cycles, cost, np.asarray(shares))._at(kept)


def _finite(problem: Problem, choice: Choice, weights: Any) -> float:
    missing = sum(choice.cost.get(k, 0) for k, have in problem.budget.items() if not have)
    there = {k: v for k, v in choice.cost.items() if problem.budget.get(k)}
    return share(problem, there, weights) + 1e9 * missing


def front(points: Floats, groups: Sequence[Choice] | None = None) -> Ints:
    """Indices of the points [points, criteria] that no other point equals or beats in every criterion.

    Args:
        groups: choices of the points, if only those with the same ports are compared.
    """
    if groups is not None:
        same: dict[tuple[int, int], list[int]] = {}
        for i, choice in enumerate(groups):
            same.setdefault((choice.reads, choice.writes), []).append(i)
        return np.sort(np.concatenate([np.asarray(at)[front(points[at])] for at in same.values()] or [_NONE]))
    if len(points) == 0 or points.shape[1] == 0:
        return np.zeros(min(1, len(points)), np.int64)
    order = np.lexsort((*points.T[::-1], points.sum(axis=1)))
    kept: list[int] = []
    best = np.empty_like(points)
    for i in order:
        if not np.any(np.all(best[: len(kept)] <= points[i] + 1e-12, axis=1)):
            best[len(kept)] = points[i]
            kept.append(int(i))
    return np.asarray(kept, np.int64)


_NONE = np.zeros(0, np.int64)


def pick(all_tables: Sequence[Table], indices: Sequence[int]) -> dict[str, Choice]:
    """The choices at these indices."""
    return {t.options.name: t.choices[i] for t, i in zip(all_tables, indices, strict=True)}
