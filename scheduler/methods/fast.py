# SPDX-License-Identifier: Apache-2.0
"""The quick search: bisection over the time per sequence, with a knapsack of several resources for each.

The time of a design in steady state is that of its slowest operator, so the search is over one number, the
*target*: the smallest for which some choice per operator is fast enough and all choices fit together. Whether
they fit is a knapsack with several resources, solved operator by operator: keep the sums that no other beats.
With at most `KEEP` sums on the way the answer is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.errors import BudgetError
from gatewright.scheduler.infeasible import explain
from gatewright.scheduler.measure import Chosen, fits, planned, total
from gatewright.scheduler.objectives import Objective, Rate, Resources
from gatewright.scheduler.problem import Choice, Plan, Problem
from gatewright.scheduler.quick_latency import quick_latency
from gatewright.scheduler.tables import Floats, Ints, Table, front, pick, tables
from gatewright.scheduler.widths import settled

KEEP = 256
"""Partial sums kept per operator."""
LADDER = 8
"""Plans for different rates that the search for a short latency begins from."""


@dataclass(frozen=True, eq=False)
class Packed:
    """The cheapest choices found, or None; `complete` if no candidate was dropped on the way."""

    chosen: Chosen | None
    complete: bool


def solve(problem: Problem, objective: Objective, seconds: float) -> Plan:
    """See `methods.solve`."""
    return settled(problem, objective, lambda rest: _separable(rest, objective, seconds))


def _separable(problem: Problem, objective: Objective, seconds: float) -> Plan:
    """Operator by operator, blind to changes of width between them."""
    found = tables(problem, objective)
    if isinstance(objective, Rate):
        return _rate(problem, found)
    if isinstance(objective, Resources):
        packed = pack(problem, found)
        if packed.chosen is None:
            raise explain(problem, objective)
        # Each operator at its cheapest is a bound, whether or not the sum fits.
        floor = sum(float(t.share.min()) for t in found)
        value = objective.value(problem, packed.chosen)
        return planned(problem, packed.chosen, str(objective), value, value if packed.complete else floor, "fast")
    return quick_latency(problem, found, _starts(problem, seconds), seconds)


def _rate(problem: Problem, found: Sequence[Table]) -> Plan:
    """Bisection over the targets at which the choices within reach change."""
    floor = max(float(t.cycles.min()) for t in found)
    targets = sorted({float(c) for t in found for c in t.cycles if c >= floor})
    best = pack(problem, found).chosen
    if best is None:
        raise explain(problem, Rate())
    low, high, refuted = 0, len(targets) - 1, -1
    while low < high:
        middle = (low + high) // 2
        packed = pack(problem, [t.within(targets[middle]) for t in found])
        if packed.chosen is not None:
            best, high = packed.chosen, middle
            continue
        low = middle + 1
        refuted = middle if packed.complete else refuted
    value = Rate().value(problem, best)
    return planned(problem, best, str(Rate()), value, targets[refuted + 1], "fast")


def _starts(problem: Problem, seconds: float) -> list[Chosen]:
    """The fastest plan, the smallest, and some between; without slow changes of width where those were found."""
    fastest = solve(problem, Rate(), seconds)
    slowest = max(float(t.cycles.max()) for t in tables(problem, Rate()))
    starts = [fastest.chosen]
    for target in np.geomspace(max(fastest.cycles, 1e-9), max(slowest, fastest.cycles, 1e-9), LADDER)[1:]:
        try:
            starts.append(solve(problem, Resources(float(target)), seconds).chosen)
        except BudgetError:
            continue
    return starts


def pack(problem: Problem, found: Sequence[Table]) -> Packed:
    """The choices with the least share that fit the budget together."""
    if any(len(t.choices) == 0 for t in found):
        return Packed(None, True)
    cheap = pick(found, [t.cheapest() for t in found])
    if fits(problem, total(problem, cheap)):
        return Packed(cheap, True)
    limit = np.asarray(list(problem.budget.values()), np.float64)
    scale = np.where(limit > 0, limit, 1.0)
    sums, shares = np.zeros((1, len(limit))), np.zeros(1)
    trail: list[Ints] = []
    complete = True
    # What the operators still to come need at least: a sum beyond that cannot be completed.
    least = np.asarray([t.cost.min(axis=0) for t in found])
    for index, table in enumerate(found):
        both = (sums[:, None] + table.cost[None]).reshape(-1, len(limit))
        weighed = (shares[:, None] + table.share[None]).reshape(-1)
        ahead = least[index + 1 :].sum(axis=0)
        alive = np.flatnonzero(np.all(both + ahead <= limit + 1e-9 * np.maximum(1, limit), axis=1))
        alive = alive[front(both[alive] / scale)]
        if len(alive) == 0:
            return Packed(None, complete)
        if len(alive) > KEEP:
            complete, alive = False, _spread(both[alive] / scale, weighed[alive], alive)
        sums, shares = both[alive], weighed[alive]
        trail.append(alive)
    at = int(np.argmin(shares))
    chosen: dict[str, Choice] = {}
    for table, alive in zip(reversed(found), reversed(trail), strict=True):
        at, which = divmod(int(alive[at]), len(table.choices))
        chosen[table.options.name] = table.choices[which]
    return Packed(chosen, complete)


def _spread(points: Floats, shares: Floats, alive: Ints) -> Ints:
    """About `KEEP` of the sums: the best in total and the best in each resource."""
    ranks = [np.argsort(shares, kind="stable")]
    ranks += [np.argsort(column, kind="stable") for column in points.T]
    each = KEEP // len(ranks)
    return alive[np.unique(np.concatenate([r[:each] for r in ranks]))]
