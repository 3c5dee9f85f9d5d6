# SPDX-License-Identifier: Apache-2.0
"""Plans without changes of width that are slower than the operators, for methods that choose operator by operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gatewright.errors import BudgetError
from gatewright.scheduler.measure import busiest, link_load, narrow, planned, rate, share
from gatewright.scheduler.objectives import Objective, Resources
from gatewright.scheduler.problem import Choice, Plan, Problem

SLACK = 1 + 1e-9


def settled(problem: Problem, objective: Objective, search: Callable[[Problem], Plan]) -> Plan:
    """The best of the plans that a search finds while slow changes of width are removed one by one.

    Of the two operators at the slowest change, the one with more hardware keeps the width of its port, and the other
    one loses the foldings that do not go with it. The bound of the first search, which knows of no widths, stays valid.

    Raises:
        BudgetError: as the search, or if no plan is left that is fast enough.
    """
    found = search(problem)
    bound, best, rest = found.bound, found, problem
    while True:
        limit = objective.cycles if isinstance(objective, Resources) else busiest(problem, found.chosen)
        if isinstance(objective, Resources) and rate(problem, best.chosen) > limit * SLACK or found.value < best.value:
            best = found
        loads = {link: link_load(problem, *link, found.chosen) for link in problem.links}
        slowest = max(loads, key=lambda link: loads[link], default=None)
        if slowest is None or loads[slowest] <= limit * SLACK:
            break
        try:
            rest = _apart(rest, found, slowest, limit)
            found = search(rest)
        except BudgetError:
            if isinstance(objective, Resources):
                raise
            break
    return planned(problem, best.chosen, best.objective, best.value, bound, best.method)


def _apart(problem: Problem, plan: Plan, link: tuple[str, str], limit: float) -> Problem:
    """The problem without the foldings at one end that make this link slow."""
    writer, reader = link
    kept, changed = (reader, writer) if _size(problem, plan, reader) > _size(problem, plan, writer) else link
    choice = plan.chosen[kept]
    passes = min(problem.times(writer), problem.times(reader))
    elements = passes * problem.lengths.expectation(problem.by_name[writer].elements)

    def stays(name: str, other: Choice) -> bool:
        if writer == reader:
            return not narrow(other.writes, other.reads) or elements / narrow(other.writes, other.reads) <= limit
        if name == kept:
            return (other.writes == choice.writes) if kept == writer else (other.reads == choice.reads)
        ports = (choice.writes, other.reads) if kept == writer else (other.writes, choice.reads)
        width = narrow(*ports)
        return not width or elements / width <= limit

    operators = []
    for one in problem.operators:
        fitting = tuple(c for c in one.choices if one.name not in link or stays(one.name, c))
        if not fitting:
            raise BudgetError(
                f"operator {changed}",
                f"no folding whose width goes with {kept}",
                f"changes of width within {limit:g} cycles",
                "allow more cycles per sequence",
            )
        operators.append(replace(one, choices=fitting))
    return replace(problem, operators=tuple(operators))


def _size(problem: Problem, plan: Plan, name: str) -> float:
    return share(problem, plan.chosen[name].cost)
