# SPDX-License-Identifier: Apache-2.0
"""The static scheduler: heuristics beside proven optima on random problems, and MiniLM's foldings board by board.

Run: python bench/scheduling.py; writes results/scheduling.md. `--model FILE.npz` takes an imported MiniLM instead of
importing it anew, `--yosys` adds the cells that Yosys counts to those of the cost model (an hour).
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _table import markdown, versions, write

from gatewright import boards
from gatewright.boards import Board
from gatewright.design import Design, fold
from gatewright.errors import BudgetError
from gatewright.examples._texts import SETS
from gatewright.examples.minilm import EXAMPLE
from gatewright.frontend.imported import Imported
from gatewright.graph import Graph
from gatewright.schedule import model, plan
from gatewright.schedule.show import RESOURCES, folding_text, utilisation
from gatewright.scheduler.fuzz import random_problem
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.measure import latencies
from gatewright.scheduler.methods import methods, solve
from gatewright.scheduler.objectives import Latency, Objective, Rate, Resources
from gatewright.scheduler.pareto import pareto
from gatewright.scheduler.problem import Plan, Problem
from gatewright.scheduler.validate_plan import check_plan

PROBLEMS, LATENCY_PROBLEMS = 50, 10
LIMIT = 60.0
"""Seconds that the exact method may take for one problem."""
BOARDS = ("u200", "zcu104", "kv260", "pynq-z2", "ulx3s-85f")
SET = "movie"


def objectives(problem: Problem, seed: int) -> dict[str, Objective]:
    """What a random problem is solved for; the optimum for the rate sets the target of the resources."""
    found: dict[str, Objective] = {"rate": Rate(), "resources": Resources(2 * solve(problem).cycles)}
    return found | ({"latency": Latency()} if seed < LATENCY_PROBLEMS else {})


def random_rows() -> list[dict[str, Any]]:
    """Per objective and method: proven optima, excess over the exact method's value, time."""
    figures: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    for seed in range(PROBLEMS):
        problem = random_problem(seed)
        for goal, objective in objectives(problem, seed).items():
            best = 0.0
            for name in sorted(methods(), key=lambda n: n != "exact"):
                start = time.perf_counter()
                found = solve(problem, objective, name, LIMIT)
                seconds = time.perf_counter() - start
                check_plan(problem, found)
                best = best or found.value
                figures.setdefault((goal, name), []).append((found.value / best - 1, found.gap, seconds))
    rows = []
    for (goal, name), found_figures in figures.items():
        excess, gap, seconds_all = np.asarray(found_figures).T
        rows.append(
            {
                "least": goal,
                "method": name,
                "problems": len(excess),
                "proven optimal": int(np.sum(gap == 0)),
                "above exact, mean": f"{excess.mean():.2%}",
                "worst": f"{excess.max():.1%}",
                "seconds, mean": f"{seconds_all.mean():.2f}",
                "worst s": f"{seconds_all.max():.2f}",
            }
        )
    return rows


def used(found: Plan, board: Board) -> dict[str, str]:
    """Amount and share of the board of each resource."""
    shares = utilisation(found, board)
    return {t: f"{found.total[k]:,.0f} ({shares[k]:.0%})" if k in shares else "-" for k, t in RESOURCES.items()}


def board_row(graph: Graph, board: Board, lengths: Lengths) -> tuple[dict[str, Any], Plan | None]:
    """The fastest plan on a board, or why there is none."""
    row: dict[str, Any] = {"board": board.name, "MHz": f"{board.clock_mhz:g}"}
    try:
        found = plan(graph, board, "rate", lengths, "exact", seconds=LIMIT)
    except BudgetError as error:
        return row | {"plan": f"does not fit: {error.problem}. {error.hint.split(';')[0].capitalize()}."}, None
    check_plan(model(graph, board, lengths), found)
    pace = board.clock_mhz * 1e6 / found.cycles
    proof = "optimal" if found.gap == 0 else f"at most {found.gap:.1%} above the optimum"
    shown = {"cycles per sentence": round(found.cycles), "sentences/s": round(pace)}
    return row | {"plan": proof, **shown, "tokens/s": round(pace * lengths.mean), **used(found, board)}, found


def methods_rows(graph: Graph, board: Board, lengths: Lengths) -> list[dict[str, Any]]:
    """MiniLM's rate by each method, with the gap to the proven bound."""
    problem, rows = model(graph, board, lengths), []
    for name in methods():
        start = time.perf_counter()
        found = solve(problem, "rate", name, LIMIT)
        seconds = time.perf_counter() - start
        rows.append({"method": name, "cycles per sentence": round(found.cycles), "seconds": f"{seconds:.2f}"})
    best = min(int(r["cycles per sentence"]) for r in rows)
    return [r | {"above the best": f"{int(r['cycles per sentence']) / best - 1:.1%}"} for r in rows]


def folding_rows(found: Plan, built: Design | None) -> list[dict[str, Any]]:
    """One row per operator; with a design, Yosys before the model in brackets."""
    measured = {} if built is None else {r.name: r.measured.amounts() for r in built.resources().rows}
    rows = []
    for name, choice in found.chosen.items():
        row = {"operator": name, "folding": folding_text(choice), "cycles": round(found.loads[name])}
        for key, title in RESOURCES.items():
            guess = f"{choice.cost.get(key, 0):,.0f}"
            row[title] = f"{measured[name][key]:,.0f} ({guess})" if name in measured else guess
        rows.append(row)
    return rows


def front_rows(graph: Graph, board: Board, lengths: Lengths) -> list[dict[str, Any]]:
    """Rate against resources."""
    rows = []
    for one in pareto(model(graph, board, lengths), points=10):
        pace = board.clock_mhz * 1e6 / one.cycles
        rows.append(
            {"cycles per sentence": round(one.cycles), "tokens/s": round(pace * lengths.mean)} | used(one, board)
        )
    return rows


def latency_rows(built: Design, counts: Sequence[int]) -> list[dict[str, Any]]:
    """One sentence alone: the formula beside the token-level cycle model."""
    rows = []
    for n in counts:
        problem = model(built.graph, built.board, Lengths.of([n]), built.foldings)
        formula = float(latencies(problem, {o.name: o.choices[0] for o in problem.operators})[0])
        predicted = built.predict([n]).cycles
        rows.append({"tokens": n, "formula": round(formula), "token by token": predicted,
                     "formula is off by": f"{formula / predicted - 1:+.1%}"})  # fmt: skip
    return rows


def minilm_blocks(imported: Imported, yosys: bool) -> list[str]:
    """The part of the page that is about MiniLM."""
    lengths = Lengths.of(len(ids) for ids in SETS[SET]().test)
    whole = fold(imported, boards.load("u200"), ring=EXAMPLE.ring, lengths=lengths, method="exact")
    rows, plans = [], {}
    for name in BOARDS:
        row, found = board_row(whole.graph, boards.load(name), lengths)
        rows.append(row)
        if found is not None:
            plans[name] = found
    head = dict.fromkeys(k for row in rows for k in row)
    first = next(iter(plans))
    u200 = boards.load(first)
    return [
        "## MiniLM board by board",
        f"The example `minilm` (six layers on one physical layer, top-30 attention, weights on the chip) on {SET} "
        f"snippets: {lengths.mean:.1f} tokens on average, {lengths.values[0]} to {lengths.values[-1]}. The fastest "
        "plan within 80 % of the board by the exact method. Resources by the cost model; clocks are the "
        "boards' planned ones and **assumed**: nothing was placed or routed.",
        markdown([dict.fromkeys(head, "") | row for row in rows]),
        f"Foldings on {first}" + (", Yosys, in brackets the model:" if yosys else ", cost model:"),
        markdown(folding_rows(plans[first], whole if yosys else None)),
        f"By method on {first}:",
        markdown(methods_rows(whole.graph, u200, lengths)),
        f"Rate against resources on {first} (method fast):",
        markdown(front_rows(whole.graph, u200, lengths)),
        "One sentence alone on this design: the formula of `scheduler/measure.py`, which the objective `latency` "
        "minimises, beside the cycle model token by token.",
        markdown(latency_rows(whole, (8, 27, 64, 128))),
    ]


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="MiniLM as Imported.save writes it")
    parser.add_argument("--yosys", action="store_true")
    arguments = parser.parse_args()
    imported = Imported.load(arguments.model) if arguments.model else EXAMPLE.study().imported
    write(
        "scheduling",
        "# Static scheduling: foldings for a board and a length distribution",
        f"`python bench/scheduling.py` with {versions('gatewright', 'ortools', 'numpy')}; {platform.machine()}, "
        f"{os.cpu_count()} cores, the exact method with 2 workers.",
        "## Random problems",
        f"{PROBLEMS} problems of 5 to 15 operators with 10 to 60 foldings each, 5 resources and 3 lengths, half of "
        f"them with a loop (`scheduler/fuzz.py`, seeds 0 to {PROBLEMS - 1}; latency: the first {LATENCY_PROBLEMS}). "
        "The resources' target is twice the optimal time. Every plan passed the independent validator.",
        markdown(random_rows()),
        *minilm_blocks(imported, arguments.yosys),
    )


if __name__ == "__main__":
    main()
