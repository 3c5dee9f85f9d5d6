# SPDX-License-Identifier: Apache-2.0
"""Proven optimum by constraint programming (CP-SAT of OR-Tools).

One Boolean per choice. Costs are counted in integers: as they are where they are whole, otherwise in parts of 2**-10,
rounded up (and budgets down), so that a plan never exceeds the budget and at most a plan within a hair of it is missed.
Times per sequence enter by their rank among all that occur, without any rounding. A latency is proven to a millionth
and a sixteenth of a cycle per operator and pass: probabilities of lengths are counted in parts of a million.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Any

import numpy as np

from gatewright.errors import MissingExtraError, ToolError
from gatewright.scheduler.infeasible import explain
from gatewright.scheduler.measure import Chosen, delay_of, narrow, passes, planned, span_of
from gatewright.scheduler.methods import fast
from gatewright.scheduler.objectives import Objective, Rate, Resources
from gatewright.scheduler.problem import Plan, Problem
from gatewright.scheduler.tables import Table, tables

WORKERS = 2
PARTS = 1 << 10
"""Parts of a unit in which costs that are not whole are counted."""
SHARE = 10**9
"""Parts of the whole in which shares of the budget are counted."""
MILLION = 10**6
"""Parts of the whole in which probabilities are counted."""
TICKS = 16
"""Parts of a cycle in which a latency is counted; only shares of a length (`Options.wait`) need them."""


def solve(problem: Problem, objective: Objective, seconds: float) -> Plan:
    """See `methods.solve`. `Plan.bound` is the solver's; equal to the value if the optimum is proven."""
    deadline = time.monotonic() + seconds
    found = tables(problem, objective, ports=True)
    if isinstance(objective, Rate):
        return _rate(problem, found, deadline)
    model = _Model(problem, found, objective)
    if isinstance(objective, Resources):
        model.limit_links(objective.cycles)
        model.minimize_share()
        chosen, bound, proven = model.solve(deadline)
        floor_of = bound / SHARE - len(found) / SHARE
    else:
        scale = model.minimize_latency()
        known = fast.solve(problem, objective, seconds).chosen
        model.hint(known)
        chosen, bound, proven = model.solve(deadline, known)
        # Every rounding up costs a tick at most; a sequence meets each operator once per pass.
        floor_of = (1 - 1e-5) * bound / scale - (3 * len(passes(problem)) + 1) / TICKS
    value = objective.value(problem, chosen)
    return planned(problem, chosen, str(objective), value, value if proven else floor_of, "exact")


def _rate(problem: Problem, found: Sequence[Table], deadline: float) -> Plan:
    """The least time per sequence first, then the least share at that time."""
    model = _Model(problem, found, Rate())
    targets = model.minimize_rank()
    chosen, bound, proven = model.solve(deadline)
    value = Rate().value(problem, chosen)
    if proven:
        cheap = _Model(problem, [t.within(value, ports=True) for t in found], Rate())
        cheap.limit_links(value)
        cheap.minimize_share()
        # Some plan is known: what is left of the time may end without another.
        chosen = cheap.solve(deadline, chosen)[0]
    least = targets[min(max(0, ceil(bound - 1e-6)), len(targets) - 1)]
    return planned(problem, chosen, str(Rate()), value, value if proven else least, "exact")


class _Model:
    """The choices as Booleans, one per operator true, and their costs within the budget."""

    def __init__(self, problem: Problem, found: Sequence[Table], objective: Objective) -> None:
        try:
            from ortools.sat.python import cp_model
        except ImportError:
            raise MissingExtraError("ortools", "not installed", hint="pip install 'gatewright[schedule]'") from None
        self.cp: Any = cp_model
        self.problem, self.found, self.objective = problem, found, objective
        self.model: Any = cp_model.CpModel()
        self.ports: dict[tuple[str, str], dict[int, Any]] = {}
        self.taken = [[self.model.new_bool_var(f"{t.options.name}.{i}") for i in range(len(t.choices))] for t in found]
        for row in self.taken:
            self.model.add_exactly_one(row)
        for k, have in enumerate(problem.budget.values()):
            columns = [t.cost[:, k] for t in found]
            parts = 1 if all(np.all(c == np.round(c)) for c in columns) else PARTS
            costs = [[ceil(parts * c - 1e-6) for c in column] for column in columns]
            # Room that no plan fills would only blow up the numbers.
            room = min(floor(parts * have + 1e-6), sum(max(c) for c in costs))
            self.model.add(sum(self._sum(v, c) for v, c in enumerate(costs)) <= room)

    def _sum(self, operator: int, figures: Sequence[int]) -> Any:
        return self.cp.LinearExpr.weighted_sum(self.taken[operator], [int(f) for f in figures])

    def minimize_rank(self) -> list[float]:
        """Minimise the rank of the slowest operator's time; the times in the order of rank."""
        floor_of = max(float(t.cycles.min()) for t in self.found)
        slow = self._slow_pairs(floor_of)
        targets = sorted(
            {float(c) for t in self.found for c in t.cycles if c >= floor_of} | {load for *_, load in slow}
        )
        highest = self.model.new_int_var(0, len(targets) - 1, "rank")
        for v, table in enumerate(self.found):
            places = np.searchsorted(targets, table.cycles)
            self.model.add(self._sum(v, places.tolist()) <= highest)
        for a, b, load in slow:
            self.model.add(highest >= targets.index(load)).only_enforce_if([a, b])
        self.model.minimize(highest)
        return targets

    def limit_links(self, limit: float) -> None:
        """No change of width takes more than `limit` cycles per sequence."""
        for a, b, _ in self._slow_pairs(limit):
            self.model.add_bool_or([a.negated(), b.negated()])

    def _slow_pairs(self, above: float) -> list[tuple[Any, Any, float]]:
        """Ports whose change of width takes longer: writer has one, reader has the other, expected cycles."""
        pairs = []
        for writer, reader in self.problem.links:
            passes = min(self.problem.times(writer), self.problem.times(reader))
            elements = passes * self.problem.lengths.expectation(self.problem.by_name[writer].elements)
            for a, b, width in self._awkward(writer, reader):
                if elements / width > above * (1 + 1e-9):
                    pairs.append((a, b, elements / width))
        return pairs

    def _awkward(self, writer: str, reader: str) -> list[tuple[Any, Any, int]]:
        """Port literals of writer and reader that do not go together, and the width between them."""
        writes, reads = self._ports(writer, "writes"), self._ports(reader, "reads")
        pairs = [(a, b, narrow(w, r)) for w, a in writes.items() for r, b in reads.items()]
        return [(a, b, width) for a, b, width in pairs if width]

    def _ports(self, name: str, side: str) -> dict[int, Any]:
        """Per width of a port, a literal that says whether it is chosen."""
        if (name, side) not in self.ports:
            at = next(v for v, t in enumerate(self.found) if t.options.name == name)
            groups: dict[int, list[Any]] = {}
            for choice, variable in zip(self.found[at].choices, self.taken[at], strict=True):
                groups.setdefault(getattr(choice, side), []).append(variable)
            self.ports[name, side] = {width: self._any(row) for width, row in groups.items()}
        return self.ports[name, side]

    def _any(self, literals: list[Any]) -> Any:
        found = self.model.new_bool_var("")
        # At most one of them is true: their sum is the Boolean.
        self.model.add(found == sum(literals))
        return found

    def minimize_share(self) -> None:
        """Minimise the sum of the shares of the budget."""
        costs = [[round(min(s, 1e6) * SHARE) for s in t.share] for t in self.found]
        self.model.minimize(sum(self._sum(v, c) for v, c in enumerate(costs)))

    def minimize_latency(self) -> float:
        """Minimise the expected time of the last result, by the recursion of `measure`; units per cycle."""
        lengths = self.problem.lengths
        weights = [max(1, round(w * MILLION)) for w in lengths.weights]
        self.model.minimize(sum(w * self._makespan(k) for k, w in enumerate(weights)))
        return float(TICKS * sum(weights))

    def _makespan(self, length: int) -> Any:
        """Variable of the time of the last result, at one of the lengths."""
        tables_of = {t.options.name: v for v, t in enumerate(self.found)}
        wide = sum(TICKS * ceil(o.elements[length]) for o, _ in passes(self.problem) if o.elements)
        most = TICKS * ceil(_longest(self.problem, self.found, length)) + TICKS + 2 * wide
        made = self.model.new_int_var(0, most, "end")
        first: dict[str, Any] = {}
        last: dict[str, Any] = {}
        costs = {name: self._times(v, length, most) for name, v in tables_of.items()}
        for one, source in passes(self.problem):
            delay, span = costs[one.name]
            begin, a, b = (self.model.new_int_var(0, most, "") for _ in range(3))
            wait = Fraction(one.wait[length]).limit_denominator(4096) if one.wait else Fraction(0)
            for value in (source.get(i, i) for i in one.inputs):
                top, bottom = wait.numerator, wait.denominator
                done = self._done(value, one.name, length, (first[value], last[value]), most)
                self.model.add(bottom * begin >= (bottom - top) * first[value] + top * done)
                self.model.add(b >= done + delay)
            if one.name in last:
                self.model.add(begin >= last[one.name] - delay)
            self.model.add(a == begin + delay)
            self.model.add(b >= a + span)
            first[one.name], last[one.name] = a, b
            self.model.add(made >= b)
        return made

    def _done(self, writer: str, reader: str, length: int, times: tuple[Any, Any], most: int) -> Any:
        """When the last element has come through a change of width."""
        pairs = self._awkward(writer, reader)
        if not pairs:
            return times[1]
        elements = self.problem.by_name[writer].elements[length]
        done = self.model.new_int_var(0, most, "")
        self.model.add(done >= times[1])
        for a, b, width in pairs:
            self.model.add(done >= times[0] + ceil(TICKS * elements / width)).only_enforce_if([a, b])
        return done

    def _times(self, operator: int, length: int, most: int) -> tuple[Any, Any]:
        """Variables of an operator's delay and span, in ticks."""
        made = []
        choices = self.found[operator].choices
        for figures in ([delay_of(self.problem, c)[length] for c in choices], [span_of(c)[length] for c in choices]):
            variable = self.model.new_int_var(0, most, "")
            self.model.add(variable == self._sum(operator, [round(TICKS * f) for f in figures]))
            made.append(variable)
        return made[0], made[1]

    def hint(self, known: Chosen) -> None:
        """Begin the search from a plan."""
        for table, row in zip(self.found, self.taken, strict=True):
            for choice, variable in zip(table.choices, row, strict=True):
                self.model.add_hint(variable, int(choice is known[table.options.name]))

    def solve(self, deadline: float, known: Chosen | None = None) -> tuple[Chosen, float, bool]:
        """Choices, the solver's bound of the objective, and whether they are proven optimal.

        Raises:
            BudgetError: no choices fit.
            ToolError: time ran out before any were found, and none are known.
        """
        solver = self.cp.CpSolver()
        solver.parameters.num_workers = WORKERS
        solver.parameters.random_seed = 1
        solver.parameters.max_time_in_seconds = max(0.1, deadline - time.monotonic())
        status = solver.solve(self.model)
        if status == self.cp.INFEASIBLE:
            raise explain(self.problem, self.objective)
        if status not in (self.cp.OPTIMAL, self.cp.FEASIBLE):
            if known is not None:
                return known, max(0.0, solver.best_objective_bound), False
            name = solver.status_name(status)
            raise ToolError("ortools", f"no plan found in time ({name})", hint="allow more seconds, or method 'fast'")
        chosen = {
            t.options.name: next(c for c, var in zip(t.choices, row, strict=True) if solver.value(var))
            for t, row in zip(self.found, self.taken, strict=True)
        }
        proven = status == self.cp.OPTIMAL
        if known is not None and not proven and self._value(known) < self._value(chosen):
            chosen = dict(known)
        return chosen, solver.best_objective_bound, proven

    def _value(self, chosen: Chosen) -> float:
        return self.objective.value(self.problem, chosen)


def _longest(problem: Problem, found: Sequence[Table], length: int) -> float:
    """A time by which any plan is done: everything one after the other."""
    return sum(
        problem.times(t.options.name)
        * max(float(delay_of(problem, c)[length]) + float(span_of(c)[length]) for c in t.choices)
        for t in found
    )
