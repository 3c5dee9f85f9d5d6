# SPDX-License-Identifier: Apache-2.0
"""`gatewright schedule`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.table import Table

    from gatewright.boards import Board
    from gatewright.scheduler.lengths import Lengths
    from gatewright.scheduler.objectives import Objective
    from gatewright.scheduler.problem import Plan


@click.command("schedule")
@click.argument("name", metavar="EXAMPLE")
@click.option("--board", default="u200", show_default=True, help="Board that foldings are chosen for.")
@click.option("--objective", default="rate", show_default=True, help="rate, latency, or cycles that are fast enough.")
@click.option("--method", default="fast", show_default=True, help="fast, exact or stages.")
@click.option("--lengths", "given", metavar="FILE.json|SET", help="Samples, a histogram, or a text set, e.g. movie.")
@click.option("--seconds", default=60.0, show_default=True, help="Most time of the exact method.")
@click.option("--pareto", is_flag=True, help="Also the front of rate against resources.")
@click.option("--json", "path", type=click.Path(dir_okay=False), help="Also write the plan to this file.")
def COMMAND(
    name: str,
    board: str,
    objective: str,
    method: str,
    given: str | None,
    seconds: float,
    pareto: bool,
    path: str | None,
) -> None:
    """Choose the foldings of an example for a board, and say how far from the optimum they may be.

    Cycles are expected ones over the lengths; without any, all sequences have the greatest length.

    \b
    gatewright schedule digits_mlp --board pynq-z2
    gatewright schedule mnist_lenet --objective 20000 --method exact
    gatewright schedule minilm --lengths movie --pareto
    gatewright schedule minilm --lengths lengths.json      [5, 9, 9] or {"5": 1, "9": 2}
    """
    from gatewright import boards
    from gatewright.console import console as standard
    from gatewright.design import network
    from gatewright.errors import DataError
    from gatewright.examples import examples
    from gatewright.schedule import model, plan, table
    from gatewright.scheduler.pareto import pareto as front
    from gatewright.scheduler.problem_json import plan_as_json

    known = examples()
    if name not in known:
        raise DataError(f"example {name}", "not found", ", ".join(known))
    example, target, console = known[name], boards.load(board), standard()
    wanted, lengths = _objective(objective), None if given is None else read_lengths(given)
    graph = network(example.study().imported, example.ring, target)
    found = plan(graph, target, wanted, lengths, method, seconds=seconds)
    console.print(table(found, target))
    problem = model(graph, target, lengths)
    if method != "exact":
        console.print(gap_text(problem, found, wanted, seconds))
    if pareto:
        console.print(front_table(front(problem, method if method != "stages" else "fast"), target))
    if path:
        Path(path).write_text(json.dumps(plan_as_json(found), default=vars, indent=1))


def _objective(text: str) -> str | Objective:
    """A name, or a number of cycles."""
    from gatewright.scheduler.objectives import Resources

    try:
        return Resources(float(text))
    except ValueError:
        return text


def read_lengths(given: str) -> Lengths:
    """Lengths of a JSON file, or of the test half of a text set.

    Raises:
        DataError: neither a file nor a set, or the file holds something else.
    """
    from gatewright.errors import DataError
    from gatewright.examples._texts import SETS
    from gatewright.scheduler.lengths import FORMS, Lengths

    if given in SETS:
        return Lengths.of(len(ids) for ids in SETS[given]().test)
    try:
        return Lengths.of(json.loads(Path(given).read_text()))
    except (OSError, ValueError) as error:
        raise DataError(f"lengths {given}", str(error), f"{', '.join(SETS)}, or a JSON file of {FORMS}") from None


def gap_text(problem: object, found: Plan, wanted: str | Objective, seconds: float) -> str:
    """The plan beside the exact method, where that is installed."""
    from gatewright.errors import ToolError
    from gatewright.scheduler.methods import solve
    from gatewright.scheduler.problem import Problem

    assert isinstance(problem, Problem)
    try:
        best = solve(problem, wanted, "exact", seconds)
    except ToolError as error:
        return f"Gap not known: {error}"
    proof = "proven optimum" if best.gap == 0 else f"bound {best.bound:,.6g}"
    above = found.value / best.value - 1 if best.value else 0.0
    return f"Exact method: {best.value:,.6g} ({proof}); {found.method} is {above:.2%} above it."


def front_table(plans: list[Plan], board: Board) -> Table:
    """Rate against resources, fastest first."""
    from rich.table import Table

    from gatewright.schedule.show import RESOURCES, utilisation

    shown = [k for k in RESOURCES if board.budget.amounts().get(k)]
    found = Table(title=f"Rate against resources on {board.title}")
    for title in ("cycles per sequence", "at the board's clock, per s", *(RESOURCES[k] for k in shown)):
        found.add_column(title, justify="right")
    for one in plans:
        used = utilisation(one, board)
        pace = f"{board.clock_mhz * 1e6 / one.cycles:,.0f}" if one.cycles else "-"
        found.add_row(f"{one.cycles:,.0f}", pace, *(f"{used[k]:.1%}" for k in shown))
    return found
