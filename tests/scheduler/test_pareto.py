# SPDX-License-Identifier: Apache-2.0
"""The front of rate against resources."""

import pytest

from gatewright.scheduler.fuzz import random_problem
from gatewright.scheduler.measure import share
from gatewright.scheduler.methods import solve
from gatewright.scheduler.objectives import Resources
from gatewright.scheduler.pareto import pareto
from gatewright.scheduler.validate_plan import check_plan


@pytest.mark.parametrize("method", ["fast", "exact"])
def test_front(method: str) -> None:
    problem = random_problem(4)
    plans = pareto(problem, method, points=8)
    assert 3 <= len(plans) <= 8
    for plan in plans:
        check_plan(problem, plan)
    cycles, costs = [p.cycles for p in plans], [share(problem, p.total) for p in plans]
    assert cycles == sorted(cycles) and costs == sorted(costs, reverse=True)
    assert len(set(cycles)) == len(plans) == len(set(costs))
    assert cycles[0] == solve(problem).cycles
    assert costs[-1] == pytest.approx(solve(problem, Resources(float("inf"))).value)
