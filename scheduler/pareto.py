# SPDX-License-Identifier: Apache-2.0
"""What more hardware buys: the front of rate against resources."""

from __future__ import annotations

import numpy as np

from gatewright.scheduler.measure import share
from gatewright.scheduler.methods import SECONDS, solve
from gatewright.scheduler.objectives import Rate, Resources
from gatewright.scheduler.problem import Plan, Problem
from gatewright.scheduler.tables import front


def pareto(problem: Problem, method: str = "fast", points: int = 16, seconds: float = SECONDS) -> list[Plan]:
    """Plans from the fastest to the smallest, of which none is at least as fast and as small as another.

    The fastest and the smallest are the method's best; those between answer targets in geometric steps.

    Args:
        points: most plans.
        seconds: for each of them.

    Raises:
        as `methods.solve`.
    """
    fastest = solve(problem, Rate(), method, seconds)
    smallest = solve(problem, Resources(float("inf")), method, seconds)
    steps = np.geomspace(max(fastest.cycles, 1e-9), max(smallest.cycles, fastest.cycles, 1e-9), max(2, points))[1:-1]
    between = [solve(problem, Resources(float(t)), method, seconds) for t in steps]
    plans = [fastest, *between, smallest]
    kept = front(np.asarray([[p.cycles, share(problem, p.total)] for p in plans]))
    return sorted((plans[i] for i in kept), key=lambda p: p.cycles)
