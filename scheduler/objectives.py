# SPDX-License-Identifier: Apache-2.0
"""What a plan should be good at. Everything is minimised."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gatewright.errors import DataError
from gatewright.scheduler.measure import Chosen, latency, rate, share, total
from gatewright.scheduler.problem import Problem


@dataclass(frozen=True)
class Rate:
    """Least expected cycles per sequence; among equally fast plans a cheap one."""

    def value(self, problem: Problem, chosen: Chosen) -> float:
        """Expected cycles per sequence in steady state."""
        return rate(problem, chosen)

    def __str__(self) -> str:
        return "rate"


@dataclass(frozen=True)
class Latency:
    """Least expected cycles of one sequence alone, see `measure`."""

    def value(self, problem: Problem, chosen: Chosen) -> float:
        """Expected cycles of one sequence."""
        return latency(problem, chosen)

    def __str__(self) -> str:
        return "latency"


@dataclass(frozen=True)
class Resources:
    """Least hardware that keeps up.

    Attributes:
        cycles: expected cycles per sequence that are fast enough.
        weights: of the resources' shares of the budget; 1 where not given.
    """

    cycles: float
    weights: Mapping[str, float] | None = None

    def value(self, problem: Problem, chosen: Chosen) -> float:
        """Weighted sum of the shares of the budget."""
        return share(problem, total(problem, chosen), self.weights)

    def __str__(self) -> str:
        return f"resources at {self.cycles:g} cycles"


Objective = Rate | Latency | Resources

NAMED: Mapping[str, Objective] = {"rate": Rate(), "latency": Latency()}
"""Those that need no parameter."""


def objective_of(given: str | Objective) -> Objective:
    """The objective itself, or the one of that name.

    Raises:
        DataError: no objective is called so.
    """
    if not isinstance(given, str):
        return given
    if given not in NAMED:
        raise DataError("objective", f"{given!r}", f"{', '.join(NAMED)}, or Resources(cycles)")
    return NAMED[given]
