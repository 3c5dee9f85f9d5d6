# SPDX-License-Identifier: Apache-2.0
"""The quick search for a short latency: prices for hardware, then exchanges.

A latency is delays along a path plus the span of a bottleneck. With a limit on every span and a price on every
resource, each operator chooses for itself: the least delay plus price. Over a ladder of limits, the price is the
lowest at which the choices fit together. Delays off the longest path count for nothing, so in further rounds an
operator's delay weighs what the best plan would gain if it had none. The best is then improved operator by operator.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gatewright.scheduler.measure import Chosen, delay_of, fits, latency, planned, span_of, total
from gatewright.scheduler.objectives import Latency
from gatewright.scheduler.problem import Choice, Plan, Problem
from gatewright.scheduler.tables import Floats, Table

LIMITS = 32
"""Limits of the span that are tried."""
ROUNDS = 4
"""Weighings of the delays."""
HALVINGS = 30
"""Steps of the bisection over prices."""
PATIENCE = 5.0
"""Most seconds of the exchanges."""


def quick_latency(problem: Problem, found: Sequence[Table], starts: Sequence[Chosen], seconds: float) -> Plan:
    """A plan of short latency, and a bound of what any plan reaches: every operator at its own best.

    Args:
        starts: plans that are known, at least one.
    """
    deadline = time.monotonic() + min(seconds, PATIENCE)
    figures = [_figures(problem, t) for t in found]
    spans = np.sort(np.concatenate([span for _, span in figures]))
    floor = max(float(span.min()) for _, span in figures)
    limits = np.unique(spans[np.linspace(np.searchsorted(spans, floor), len(spans) - 1, LIMITS).astype(int)])
    best = min(starts, key=lambda chosen: latency(problem, chosen))
    weights = dict.fromkeys(best, 1.0)
    for _ in range(ROUNDS):
        priced = [_priced(problem, found, figures, weights, float(limit)) for limit in limits]
        best = min([best, *(p for p in priced if p)], key=lambda chosen: latency(problem, chosen))
        weights = _gains(problem, best)
    best = _exchanged(problem, found, dict(best), deadline)
    bound = latency(problem, {t.options.name: _ideal(problem, t) for t in found})
    return planned(problem, best, str(Latency()), latency(problem, best), bound, "fast")


def _gains(problem: Problem, chosen: Chosen) -> dict[str, float]:
    """Per operator, the share of its delays by which the whole would be quicker without them; a little for all."""
    whole, zero = latency(problem, chosen), (0.0,) * len(problem.lengths.values)
    found = {}
    for name, choice in chosen.items():
        own = problem.times(name) * problem.lengths.expectation(choice.delay or zero)
        gain = whole - latency(
            problem, {**chosen, name: replace(choice, delay=zero, span=choice.span or choice.cycles)}
        )
        found[name] = max(0.05, gain / own) if own else 1.0
    return found


def _figures(problem: Problem, table: Table) -> tuple[Floats, Floats]:
    """Expected delay over all passes and expected span of every choice."""
    mean = problem.lengths.expectation
    times = problem.times(table.options.name)
    delay = [times * mean(delay_of(problem, c).tolist()) for c in table.choices]
    return np.asarray(delay), np.asarray([mean(span_of(c).tolist()) for c in table.choices])


def _priced(
    problem: Problem,
    found: Sequence[Table],
    figures: Sequence[tuple[Floats, Floats]],
    weights: Mapping[str, float],
    limit: float,
) -> Chosen | None:
    """The choices at the lowest price at which those within the limit fit, or None."""
    low, high, best = -9.0, 15.0, None
    for _ in range(HALVINGS):
        price = 10 ** ((low + high) / 2)
        chosen = {}
        for table, (delay, span) in zip(found, figures, strict=True):
            name = table.options.name
            score = np.where(span <= limit, weights[name] * delay + price * table.share, np.inf)
            chosen[name] = table.choices[int(np.argmin(score))]
        if fits(problem, total(problem, chosen)):
            best, high = chosen, (low + high) / 2
        else:
            low = (low + high) / 2
    return best


def _ideal(problem: Problem, table: Table) -> Choice:
    """The least delay and the least span of an operator at every length."""
    delay = np.min([delay_of(problem, c) for c in table.choices], axis=0).tolist()
    span = np.min([span_of(c) for c in table.choices], axis=0).tolist()
    return Choice("ideal", tuple(span), {}, tuple(delay), tuple(span))


def _exchanged(
    problem: Problem, found: Sequence[Table], chosen: dict[str, Choice], deadline: float
) -> dict[str, Choice]:
    """Single exchanges while they help, then pairs: one operator gets faster and another one pays for it."""
    search = _Search(problem, found, deadline)
    while True:
        chosen = search.singles(chosen)
        better = search.pair(chosen)
        if better is None:
            return chosen
        chosen = better


class _Search:
    """Exchanges of choices, judged by latency and then by share: what is as quick and cheaper makes room for others."""

    def __init__(self, problem: Problem, found: Sequence[Table], deadline: float) -> None:
        self.problem, self.found, self.deadline = problem, found, deadline
        self.limit = np.asarray(list(problem.budget.values()), np.float64)
        self.figures = [_figures(problem, t) for t in found]

    def rating(self, chosen: Chosen) -> tuple[float, float]:
        """Latency, and the sum of shares."""
        return latency(self.problem, chosen), float(sum(self._at(t, chosen, t.share) for t in self.found))

    @staticmethod
    def _at(table: Table, chosen: Chosen, figures: Floats) -> Any:
        return figures[next(i for i, c in enumerate(table.choices) if c is chosen[table.options.name])]

    def singles(self, chosen: dict[str, Choice]) -> dict[str, Choice]:
        """For each operator the choice with which the whole is quickest, until none changes."""
        value, moved = self.rating(chosen), True
        while moved:
            moved = False
            for table in self.found:
                name = table.options.name
                for choice in table.choices:
                    if time.monotonic() > self.deadline:
                        return chosen
                    other = {**chosen, name: choice}
                    if choice is chosen[name] or not fits(self.problem, total(self.problem, other)):
                        continue
                    rated = self.rating(other)
                    if rated[0] <= value[0] and rated < (value[0], value[1] * (1 - 1e-9)):
                        chosen, value, moved = other, rated, True
        return chosen

    def pair(self, chosen: dict[str, Choice]) -> dict[str, Choice] | None:
        """The first quicker plan in which one operator is faster and another one cheaper."""
        value = latency(self.problem, chosen)
        spent = sum(self._at(t, chosen, t.cost) for t in self.found)
        for table, (delay, _) in zip(self.found, self.figures, strict=True):
            name = table.options.name
            present, own = self._at(table, chosen, delay), self._at(table, chosen, table.cost)
            for index in np.flatnonzero(delay < present):
                without = spent - own + table.cost[index]
                quicker = {**chosen, name: table.choices[index]}
                if latency(self.problem, quicker) >= value:
                    continue
                for other, figures in zip(self.found, self.figures, strict=True):
                    if time.monotonic() > self.deadline:
                        return None
                    payer = self._payer(other, figures, chosen, without) if other is not table else None
                    if payer is not None:
                        plan = {**quicker, other.options.name: payer}
                        if latency(self.problem, plan) < value * (1 - 1e-9):
                            return plan
        return None

    def _payer(self, table: Table, figures: tuple[Floats, Floats], chosen: Chosen, without: Floats) -> Choice | None:
        """The quickest choice of an operator with which a plan that costs too much fits."""
        spent = without - self._at(table, chosen, table.cost) + table.cost
        able = np.flatnonzero(np.all(spent <= self.limit, axis=1))
        return None if len(able) == 0 else table.choices[int(able[np.argmin((figures[0] + figures[1])[able])])]
