# SPDX-License-Identifier: Apache-2.0
"""The validator accepts what the methods make and finds every planted error."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from gatewright.errors import DataError
from gatewright.scheduler.fuzz import random_problem
from gatewright.scheduler.methods import methods, solve
from gatewright.scheduler.objectives import Latency, Objective, Rate, Resources
from gatewright.scheduler.problem import Plan, Problem
from gatewright.scheduler.validate_plan import check_plan

PROBLEM = random_problem(3)


@pytest.mark.parametrize("name", methods())
@pytest.mark.parametrize("objective", [Rate(), Latency(), Resources(2 * solve(PROBLEM).cycles)], ids=str)
def test_plans_are_accepted(name: str, objective: Objective) -> None:
    check_plan(PROBLEM, solve(PROBLEM, objective, name))


def greedy(plan: Plan) -> Plan:
    """The largest choices of all operators, and honest figures of them."""
    largest = {o.name: max(o.choices, key=lambda c: c.cost["lut"]) for o in PROBLEM.operators}
    total = {k: sum(c.cost[k] for c in largest.values()) for k in PROBLEM.budget}
    return replace(plan, chosen=largest, total=total)


def foreign(plan: Plan) -> Plan:
    """One choice that is a little faster than any legal one."""
    name, choice = next(iter(plan.chosen.items()))
    return replace(plan, chosen={**plan.chosen, name: replace(choice, cycles=tuple(c - 1 for c in choice.cycles))})


def without_one(plan: Plan) -> Plan:
    chosen = dict(plan.chosen)
    del chosen[PROBLEM.operators[1].name]
    return replace(plan, chosen=chosen)


PLANTED: list[tuple[str, Callable[[Plan], Plan]]] = [
    ("one choice for every operator", without_one),
    ("one of its legal foldings", foreign),
    ("budget of", greedy),
    ("total of lut", lambda p: replace(p, total={**p.total, "lut": p.total["lut"] - 1})),
    ("cycles", lambda p: replace(p, cycles=p.cycles * 0.999)),
    ("latency", lambda p: replace(p, latency=p.latency * 0.999)),
    ("load of op2", lambda p: replace(p, loads={**p.loads, "op2": p.loads["op2"] * 1.001})),
    ("value of rate", lambda p: replace(p, value=p.value * 0.99, bound=0.0)),
    ("bound", lambda p: replace(p, bound=p.value * 1.01)),
    ("at most", lambda p: replace(p, objective=f"resources at {p.cycles / 2:g} cycles")),
]


@pytest.mark.parametrize(("words", "change"), PLANTED, ids=[w for w, _ in PLANTED])
def test_planted_errors_are_found(words: str, change: Callable[[Plan], Plan]) -> None:
    plan = solve(PROBLEM, "rate")
    check_plan(PROBLEM, plan)
    with pytest.raises(DataError, match=words):
        check_plan(PROBLEM, change(plan))


def test_a_budget_that_is_one_short() -> None:
    plan = solve(PROBLEM, "rate")
    for key, used in plan.total.items():
        check_plan(replace(PROBLEM, budget={**PROBLEM.budget, key: used}), plan)
        with pytest.raises(DataError, match=f"budget of {key}"):
            check_plan(replace(PROBLEM, budget={**PROBLEM.budget, key: used - 0.5}), plan)


def test_a_plan_of_another_problem_is_refused() -> None:
    with pytest.raises(DataError):
        check_plan(random_problem(5), solve(PROBLEM))


def test_it_shares_no_code_with_the_methods() -> None:
    """It may import the dataclasses and the errors only."""
    import ast
    import inspect

    from gatewright.scheduler import validate_plan

    tree = ast.parse(inspect.getsource(validate_plan))
    found = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    ours = {m for m in found if m and m.startswith("gatewright")}
    assert ours == {"gatewright.errors", Problem.__module__}
