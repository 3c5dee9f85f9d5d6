# SPDX-License-Identifier: Apache-2.0
"""The greedy stage allocation of Peng et al., "A length adaptive algorithm-hardware co-design of transformer on FPGA
through sparse attention and dynamic pipelining" (DAC 2022), section 4.2, with one unit per operator.

Operators are ranked by P(v) = W(v, s) + max over successors of P, with W the work at the mean length s. Parallelism is
proportional to work: all begin in their smallest folding; then, round by round and in the order of P, the slowest
operators are granted what is left of each resource in proportion to W, and take the next faster folding that this pays
for. Who is faster than the slowest gives back what it does not need. `coarse` packs the result into stages.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np

from gatewright.scheduler.infeasible import explain
from gatewright.scheduler.measure import Chosen, planned, share, total
from gatewright.scheduler.methods.fast import pack
from gatewright.scheduler.objectives import Objective, Resources
from gatewright.scheduler.problem import Plan, Problem
from gatewright.scheduler.tables import Floats, Table, pick, tables
from gatewright.scheduler.widths import settled

STAGES = 3
"""Coarse stages of the paper: projections and selection, attention, feed-forward."""


def work(problem: Problem) -> dict[str, float]:
    """W(v, s): cycles of each operator at the mean length, in its slowest folding, over all passes."""
    lengths = problem.lengths
    return {
        o.name: problem.times(o.name) * max(lengths.at_mean(c.cycles) for c in o.choices) for o in problem.operators
    }


def ranks(problem: Problem) -> dict[str, float]:
    """P(v) of every operator, equation (1) of the paper."""
    weight = work(problem)
    found: dict[str, float] = {}
    for one in reversed(problem.operators):
        after = [found[o.name] for o in problem.operators if one.name in o.inputs]
        found[one.name] = weight[one.name] + max(after, default=0.0)
    return found


def solve(problem: Problem, objective: Objective, seconds: float) -> Plan:
    """See `methods.solve`. For a latency this is the plan for the rate; nothing is known of its bound."""
    return settled(problem, objective, lambda rest: _separable(rest, objective, seconds))


def _separable(problem: Problem, objective: Objective, seconds: float) -> Plan:
    """Operator by operator, blind to changes of width between them."""
    found = tables(problem, objective)
    smallest = pack(problem, found).chosen
    if smallest is None:
        raise explain(problem, objective)
    at = [t.choices.index(smallest[t.options.name]) for t in found]
    if not isinstance(objective, Resources):
        at = _balanced(problem, found, at, time.monotonic() + seconds)
    chosen = pick(found, at)
    return planned(problem, chosen, str(objective), objective.value(problem, chosen), 0.0, "stages")


def _balanced(problem: Problem, found: Sequence[Table], at: list[int], deadline: float) -> list[int]:
    """Indices of the choices, see the head of this file."""
    limit = np.asarray(list(problem.budget.values()), np.float64)
    weight, rank = work(problem), ranks(problem)
    order = sorted(range(len(found)), key=lambda i: -rank[found[i].options.name])
    slowest = max(float(t.cycles[i]) for t, i in zip(found, at, strict=True))
    while time.monotonic() < deadline:
        grants = list(at)
        # Only who is slower than the others will be can use a grant: parallelism follows work.
        behind = [i for i in order if found[i].cycles[at[i]] >= slowest]
        free = limit - sum(t.cost[i] for t, i in zip(found, at, strict=True))
        owed = sum(weight[found[i].options.name] for i in behind)
        for i in behind:
            mine = weight[found[i].options.name]
            ration, owed = free * (mine / owed if owed else 1.0), owed - mine
            grants[i] = _step(found[i], at[i], (ration, free), slowest)
            free = free - found[i].cost[grants[i]] + found[i].cost[at[i]]
        moved = max(float(t.cycles[i]) for t, i in zip(found, grants, strict=True))
        if moved >= slowest:
            return at
        at, slowest = grants, moved
        at = [_given_back(t, i, slowest) for t, i in zip(found, at, strict=True)]
    return at


def _step(table: Table, at: int, rations: tuple[Floats, Floats], slowest: float) -> int:
    """The cheapest choice faster than the slowest operator that the first ration that does pays for."""
    extra = table.cost - table.cost[at]
    for ration in rations:
        payable = np.flatnonzero(np.all(extra <= np.maximum(ration, 0) + 1e-9, axis=1) & (table.cycles < slowest))
        if len(payable):
            return int(payable[np.argmin(table.share[payable])])
    return at


def _given_back(table: Table, at: int, slowest: float) -> int:
    """The cheapest choice that keeps up and costs no more of anything."""
    able = np.flatnonzero((table.cycles <= slowest) & np.all(table.cost <= table.cost[at] + 1e-9, axis=1))
    return int(able[np.argmin(table.share[able])])


def coarse(problem: Problem, chosen: Chosen, stages: int = STAGES) -> list[list[str]]:
    """Operators in the order of P, packed greedily into stages of equal shares of the plan's resources."""
    rank = ranks(problem)
    each = share(problem, total(problem, chosen)) / stages
    packed: list[list[str]] = [[]]
    filled = 0.0
    for name in sorted(chosen, key=lambda name: -rank[name]):
        cost = share(problem, chosen[name].cost)
        if packed[-1] and filled + cost > each * (1 + 1e-9) and len(packed) < stages:
            packed.append([])
            filled = 0.0
        packed[-1].append(name)
        filled += cost
    return packed
