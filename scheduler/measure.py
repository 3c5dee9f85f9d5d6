# SPDX-License-Identifier: Apache-2.0
"""What a choice of foldings gives: rate, latency, resources.

Steady state: an elastic pipeline of tokens is as fast as its slowest operator, and over sequences of mixed lengths
the queues even out which operator that is, so the time per sequence is the largest *expected* time of an operator.

One sequence alone: with A(v) and L(v) the times of the first and the last result of operator v, and w(v) the share of
its input that v must see before its first result,

    A(v) = max over inputs p of A(p) + w(v) (L(p) - A(p)), plus delay(v)
    L(v) = max(max over inputs p of L(p) + delay(v), A(v) + span(v))

where L(p) is at least A(p) plus the time of a change of width between p and v.

Where no operator waits (w = 0) that is the longest path over delays plus the bottleneck's span, the makespan of a
proportionate flow shop (Pinedo, Scheduling, section 6.1); an operator that waits for its whole input (w = 1) adds
what is before it to what is behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd

import numpy as np
import numpy.typing as npt

from gatewright.scheduler.problem import Choice, Options, Plan, Problem

RENT = ("bandwidth",)
"""Resources that limit a plan but are not hardware: they have no share of the cost unless a weight gives them one."""

Floats = npt.NDArray[np.float64]
Chosen = Mapping[str, Choice]


def expected(problem: Problem, name: str, choice: Choice) -> float:
    """Expected cycles per sequence of an operator in steady state, over all its passes."""
    return problem.times(name) * problem.lengths.expectation(choice.cycles)


def rate(problem: Problem, chosen: Chosen) -> float:
    """Expected cycles per sequence in steady state: of the slowest operator or change of width."""
    return max(busiest(problem, chosen), *(link_load(problem, *link, chosen) for link in problem.links), 0.0)


def busiest(problem: Problem, chosen: Chosen) -> float:
    """Expected cycles per sequence of the slowest operator."""
    return max(expected(problem, name, choice) for name, choice in chosen.items())


def narrow(writes: int, reads: int) -> int:
    """Elements per cycle of a change of width that is narrower than both of its ports; else 0."""
    if not writes or not reads or writes % reads == 0 or reads % writes == 0:
        return 0
    return gcd(writes, reads)


def link_load(problem: Problem, writer: str, reader: str, chosen: Chosen) -> float:
    """Expected cycles per sequence of a change of width that is slower than its ports; else 0."""
    width = narrow(chosen[writer].writes, chosen[reader].reads)
    if not width:
        return 0.0
    passes = min(problem.times(writer), problem.times(reader))
    return passes * problem.lengths.expectation(problem.by_name[writer].elements) / width


def link_span(problem: Problem, writer: str, reader: str, chosen: Chosen) -> Floats | float:
    """Cycles of one pass through a change of width, per length."""
    width = narrow(chosen[writer].writes, chosen[reader].reads)
    return np.asarray(problem.by_name[writer].elements, np.float64) / width if width else 0.0


def latency(problem: Problem, chosen: Chosen) -> float:
    """Expected cycles of one sequence alone."""
    return problem.lengths.expectation(latencies(problem, chosen).tolist())


def delay_of(problem: Problem, choice: Choice) -> Floats:
    """Cycles from what the first result needs to that result, per length."""
    return np.asarray(choice.delay or np.zeros(len(problem.lengths.values)), np.float64)


def span_of(choice: Choice) -> Floats:
    """Cycles from the first result to the last, per length."""
    return np.asarray(choice.span or choice.cycles, np.float64)


def latencies(problem: Problem, chosen: Chosen) -> Floats:
    """Cycles of one sequence alone, per distinct length."""
    zero = np.zeros(len(problem.lengths.values))
    first: dict[str, Floats] = {}
    last: dict[str, Floats] = {}
    for one, source in passes(problem):
        choice = chosen[one.name]
        delay, wait = delay_of(problem, choice), np.asarray(one.wait or zero)
        begin, end = zero, zero
        for value in (source.get(i, i) for i in one.inputs):
            done = np.maximum(last[value], first[value] + link_span(problem, value, one.name, chosen))
            begin = np.maximum(begin, first[value] + wait * (done - first[value]))
            end = np.maximum(end, done)
        # In its next pass an operator goes on when it has done with this one.
        begin = np.maximum(begin, last.get(one.name, zero) - delay)
        first[one.name] = begin + delay
        last[one.name] = np.maximum(end + delay, first[one.name] + span_of(choice))
    return np.max(list(last.values()), axis=0)


def passes(problem: Problem) -> list[tuple[Options, Mapping[str, str]]]:
    """Every operator as often as a sequence passes it, in the order of time; and which inputs are others by then."""
    order: list[tuple[Options, Mapping[str, str]]] = []
    done: set[str] = set()
    for one in problem.operators:
        repeat = next((r for r in problem.repeats if one.name in r.operators), None)
        if repeat is None:
            order.append((one, {}))
        elif one.name not in done:
            inside = [o for o in problem.operators if o.name in repeat.operators]
            for k in range(repeat.times):
                order += [(o, {repeat.entry: repeat.exit} if k and repeat.exit else {}) for o in inside]
            done.update(repeat.operators)
    return order


def total(problem: Problem, chosen: Chosen) -> dict[str, float]:
    """Amount of each budgeted resource."""
    return {k: float(sum(c.cost.get(k, 0) for c in chosen.values())) for k in problem.budget}


def share(problem: Problem, amounts: Mapping[str, float], weights: Mapping[str, float] | None = None) -> float:
    """Weighted sum of the shares of the budget; infinite if a resource is used that the budget has none of."""
    found = 0.0
    for key, have in problem.budget.items():
        if amounts.get(key, 0):
            weight = (weights or {}).get(key, 0.0 if key in RENT else 1.0)
            found += weight * amounts[key] / have if have else float("inf")
    return found


def fits(problem: Problem, amounts: Mapping[str, float]) -> bool:
    """Whether amounts lie within the budget, to the last digits of a sum of floats."""
    return all(amounts.get(k, 0) <= have + 1e-9 * max(1.0, have) for k, have in problem.budget.items())


def planned(
    problem: Problem, chosen: Chosen, objective: str = "", value: float = 0.0, bound: float = 0.0, method: str = ""
) -> Plan:
    """The plan of these choices."""
    ordered = {o.name: chosen[o.name] for o in problem.operators}
    loads = {name: expected(problem, name, choice) for name, choice in ordered.items()}
    figures = rate(problem, ordered), latency(problem, ordered), total(problem, ordered)
    return Plan(ordered, *figures, loads, objective, value, min(bound, value), method)
