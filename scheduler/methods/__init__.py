# SPDX-License-Identifier: Apache-2.0
"""Ways to choose foldings, one file each; every file that defines `solve` is found under its own name."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from gatewright.errors import DataError
from gatewright.scheduler.objectives import Objective, objective_of
from gatewright.scheduler.problem import Plan, Problem

SECONDS = 60.0
"""Time that a method may take by default."""

Method = Callable[[Problem, Objective, float], Plan]
"""Problem, objective and most seconds to a plan; raises BudgetError if nothing fits."""


def methods() -> dict[str, Method]:
    """Every method by name."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    return {name: importlib.import_module(f"{__name__}.{name}").solve for name in names}


def solve(
    problem: Problem, objective: str | Objective = "rate", method: str = "fast", seconds: float = SECONDS
) -> Plan:
    """The best plan within the budget that a method finds.

    Args:
        objective: "rate", "latency", or one of `objectives`.
        method: "fast", "exact" or "stages".
        seconds: after which the best plan so far is taken; `Plan.bound` says how good it is.

    Raises:
        BudgetError: nothing fits, or an operator is too slow; names resource, amounts and operator.
        DataError: no such objective or method.
        ToolError: what the method needs is not installed.
    """
    known = methods()
    if method not in known:
        raise DataError("method", f"{method!r}", ", ".join(known))
    return known[method](problem, objective_of(objective), seconds)
