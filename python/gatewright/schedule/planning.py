# SPDX-License-Identifier: Apache-2.0
"""Foldings for a board, and the smallest board for a network that does not fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gatewright import boards
from gatewright.boards import Board
from gatewright.errors import BudgetError
from gatewright.graph import Folding, Graph
from gatewright.schedule.model import USABLE, Given, budget, fabric, model
from gatewright.scheduler.infeasible import PLACE
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.measure import planned
from gatewright.scheduler.methods import SECONDS, solve
from gatewright.scheduler.objectives import Objective
from gatewright.scheduler.problem import Plan


def plan(
    graph: Graph,
    board: Board,
    objective: str | Objective = "rate",
    lengths: Lengths | None = None,
    method: str = "fast",
    given: Given | None = None,
    seconds: float = SECONDS,
) -> Plan:
    """Foldings for a board: keys of the plan's choices.

    Args:
        objective, method, seconds: see `scheduler.methods.solve`.
        lengths, given: see `model`.

    Raises:
        BudgetError: nothing fits, or nothing is fast enough; names the resource or operator and the shortfall, and the
            smallest board that would do.
    """
    try:
        return solve(model(graph, board, lengths, given), objective, method, seconds)
    except BudgetError as error:
        if error.place != PLACE:
            raise
        other = smallest_board(graph, objective, lengths, given)
        hint = f"{other}; or narrower weights, a smaller network, more cycles per sequence"
        raise BudgetError(f"board {board.name}", error.problem, f"{USABLE:.0%} of the board", hint) from None


def smallest_board(graph: Graph, objective: str | Objective, lengths: Lengths | None, given: Given | None) -> str:
    """The board with the fewest LUTs on which a plan exists, as a sentence."""
    known = sorted((boards.load(name) for name in boards.names()), key=lambda b: b.budget.lut)
    problems = {}
    for board in known:
        kind = fabric(board)
        if kind not in problems:
            problems[kind] = model(graph, board, lengths, given)
        try:
            solve(replace(problems[kind], budget=budget(board)), objective, "fast")
        except BudgetError:
            continue
        return f"the smallest board that would do is {board.name}"
    return f"no board of {len(known)} would do"


def evaluate(graph: Graph, foldings: Mapping[str, Folding], board: Board, lengths: Lengths | None = None) -> Plan:
    """The plan that given foldings of all nodes make, whether or not it fits."""
    problem = model(graph, board, lengths, foldings)
    return planned(problem, {o.name: o.choices[0] for o in problem.operators})
