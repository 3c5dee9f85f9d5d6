# SPDX-License-Identifier: Apache-2.0
"""Why nothing fits: which resource is short, by how much, and who needs most of it."""

from __future__ import annotations

from gatewright.errors import BudgetError
from gatewright.scheduler.objectives import Objective
from gatewright.scheduler.problem import Problem
from gatewright.scheduler.tables import tables

PLACE = "folding"
"""`place` of these errors."""


def explain(problem: Problem, objective: Objective) -> BudgetError:
    """The error of a problem that has no plan."""
    found = tables(problem, objective)
    keys = list(problem.budget)
    least = {k: sum(float(t.cost[:, i].min()) for t in found) for i, k in enumerate(keys)}
    short = {k: v for k, v in least.items() if v > problem.budget[k]}
    if not short:
        # Each resource alone would do, but not all in one plan: show the plan that is cheapest overall.
        picks = [t.cost[t.cheapest()] for t in found]
        totals = {k: float(sum(p[i] for p in picks)) for i, k in enumerate(keys)}
        short = {k: v for k, v in totals.items() if v > problem.budget[k]}
    lines = []
    for key, need in short.items():
        most = max(found, key=lambda t: float(t.cost[:, keys.index(key)].min()))
        have = problem.budget[key]
        lines.append(
            f"{key}: at least {need:g} needed, {have:g} available, {need - have:g} short "
            f"(most of it in {most.options.name})"
        )
    return BudgetError(
        PLACE,
        "; ".join(lines) or "no plan fits all resources at once",
        "a plan within the budget",
        "choose a larger board, narrower weights, a smaller network, or allow more cycles",
    )
