# SPDX-License-Identifier: Apache-2.0
"""Is a plan what it claims to be? Checked from the definitions; shares nothing with the methods but the dataclasses."""

from __future__ import annotations

from collections.abc import Iterator
from math import gcd

from gatewright.errors import DataError
from gatewright.scheduler.problem import Choice, Plan, Problem

TOLERANCE = 1e-6
"""Relative, for figures that are sums of floats."""


def check_plan(problem: Problem, plan: Plan) -> None:
    """Every choice is legal, the budget is kept, and rate, latency, totals and bound are what they claim to be.

    Raises:
        DataError: naming the first thing that is wrong, with the right figure.
    """
    for place, problem_text, allowed in faults(problem, plan):
        raise DataError(f"plan: {place}", problem_text, allowed)


def faults(problem: Problem, plan: Plan) -> Iterator[tuple[str, str, str]]:
    """(place, what is wrong, what would be right) of everything that is wrong with a plan."""
    names = {o.name for o in problem.operators}
    if set(plan.chosen) != names:
        yield "chosen", f"operators {sorted(set(plan.chosen) ^ names)}", "one choice for every operator"
        return
    for one in problem.operators:
        if plan.chosen[one.name] not in one.choices:
            yield f"operator {one.name}", f"folding {plan.chosen[one.name].key}", "one of its legal foldings"
    for key, have in problem.budget.items():
        need = sum(choice.cost.get(key, 0.0) for choice in plan.chosen.values())
        if _differs(need, plan.total.get(key, 0.0)):
            yield f"total of {key}", f"{plan.total.get(key, 0.0):g}", f"{need:g}"
        if need > have * (1 + TOLERANCE):
            yield f"budget of {key}", f"{need:g} used", f"{have:g}"
    loads = _loads(problem, plan)
    for name, load in loads.items():
        if _differs(load, plan.loads.get(name, 0.0)):
            yield f"load of {name}", f"{plan.loads.get(name, 0.0):g}", f"{load:g}"
    cycles = max(*loads.values(), *_links(problem, plan), 0.0)
    if _differs(cycles, plan.cycles):
        yield "cycles", f"{plan.cycles:g}", f"{cycles:g}"
    latency = _latency(problem, plan)
    if _differs(latency, plan.latency):
        yield "latency", f"{plan.latency:g}", f"{latency:g}"
    claims = {"rate": cycles, "latency": latency}
    if _differs(claims.get(plan.objective, plan.value), plan.value):
        yield f"value of {plan.objective}", f"{plan.value:g}", f"{claims[plan.objective]:g}"
    prefix, suffix = "resources at ", " cycles"
    if plan.objective.startswith(prefix):
        target = float(plan.objective.removeprefix(prefix).removesuffix(suffix))
        if cycles > target * (1 + 1e-5):
            yield "cycles", f"{cycles:g}", f"at most {target:g}"
    if plan.bound > plan.value * (1 + TOLERANCE):
        yield "bound", f"{plan.bound:g}, above the value {plan.value:g}", "no more than what was reached"


def _differs(a: float, b: float) -> bool:
    return a != b and abs(a - b) > TOLERANCE * max(abs(a), abs(b), 1.0)


def _loads(problem: Problem, plan: Plan) -> dict[str, float]:
    """Weighted mean of each operator's cycles, times its passes."""
    found = {}
    for name, choice in plan.chosen.items():
        times = 1
        for repeat in problem.repeats:
            if name in repeat.operators:
                times = repeat.times
        weighted = zip(choice.cycles, problem.lengths.weights, strict=True)
        found[name] = times * sum(c * w for c, w in weighted)
    return found


def _links(problem: Problem, plan: Plan) -> Iterator[float]:
    """Expected cycles per sequence of every change between widths of which neither divides the other."""
    operators = {o.name: o for o in problem.operators}
    for (writer, _), (reader, passes) in _streams(problem, plan):
        if _awkward(plan.chosen[writer].writes, plan.chosen[reader].reads):
            common = gcd(plan.chosen[writer].writes, plan.chosen[reader].reads)
            weighted = zip(operators[writer].elements, problem.lengths.weights, strict=True)
            yield passes * sum(e * w for e, w in weighted) / common


def _awkward(a: int, b: int) -> bool:
    return bool(a and b and a % b and b % a)


def _streams(problem: Problem, plan: Plan) -> Iterator[tuple[tuple[str, int], tuple[str, int]]]:
    """(writer, its passes), (reader, passes of the stream), through operators that are wire."""
    sources = _sources(problem)
    # In its last pass an operator of a loop reads what goes round.
    final: dict[str, int] = {}
    for name, number in sources:
        final[name] = max(number, final.get(name, 0))
    for reader, number in final.items():
        ahead = [(reader, number)]
        while ahead:
            for writer, at in sources[ahead.pop()]:
                if plan.chosen[writer].writes:
                    yield (writer, at), (reader, min(final[writer], number) + 1)
                else:
                    ahead.append((writer, at))


def _latency(problem: Problem, plan: Plan) -> float:
    """Longest path, event by event: relaxed until no time moves, one length after the other."""
    total = 0.0
    for k, weight in enumerate(problem.lengths.weights):
        total += weight * max((end for _, end in _events(problem, plan, k).values()), default=0.0)
    return total


Event = tuple[str, int]
"""An operator, and which pass."""


def _events(problem: Problem, plan: Plan, k: int) -> dict[Event, tuple[float, float]]:
    """First and last result of every operator in every pass, at length number k."""
    sources = _sources(problem)
    found: dict[Event, tuple[float, float]] = dict.fromkeys(sources, (0.0, 0.0))
    waits = {o.name: (o.wait[k] if o.wait else 0.0) for o in problem.operators}
    for _ in range(len(found) + 1):
        moved = False
        for event, reads in sources.items():
            name, number = event
            delay, span = _figures(plan.chosen[name], k)
            ends = {r: max(found[r][1], found[r][0] + _change(problem, plan, r[0], name, k)) for r in reads}
            begins = [(1 - waits[name]) * found[r][0] + waits[name] * ends[r] for r in reads]
            if number:
                begins.append(found[name, number - 1][1] - delay)
            first = max([0.0, *begins]) + delay
            last = max([first + span, *(end + delay for end in ends.values())])
            moved |= (first, last) != found[event]
            found[event] = (first, last)
        if not moved:
            return found
    raise DataError("problem", "its operators read each other in a circle", "no circle but through a repeat")


def _change(problem: Problem, plan: Plan, writer: str, reader: str, k: int) -> float:
    """Cycles of the change of width between two operators, at length number k."""
    a, b = plan.chosen[writer].writes, plan.chosen[reader].reads
    elements = next(o.elements for o in problem.operators if o.name == writer)
    return elements[k] / gcd(a, b) if _awkward(a, b) else 0.0


def _figures(choice: Choice, k: int) -> tuple[float, float]:
    return (choice.delay[k] if choice.delay else 0.0), (choice.span[k] if choice.span else choice.cycles[k])


def _sources(problem: Problem) -> dict[Event, list[Event]]:
    """What each pass of each operator reads."""
    repeats = {name: repeat for repeat in problem.repeats for name in repeat.operators}

    def final(name: str) -> Event:
        return name, (repeats[name].times if name in repeats else 1) - 1

    found: dict[Event, list[Event]] = {}
    for one in problem.operators:
        repeat = repeats.get(one.name)
        for number in range(repeat.times if repeat else 1):
            reads = []
            for value in one.inputs:
                if repeat and value == repeat.entry and number and repeat.exit:
                    reads.append((repeat.exit, number - 1))
                elif repeat and value in repeat.operators:
                    reads.append((value, number))
                else:
                    reads.append(final(value))
            found[one.name, number] = reads
    return found
