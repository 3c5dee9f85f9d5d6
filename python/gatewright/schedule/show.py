# SPDX-License-Identifier: Apache-2.0
"""A plan as a table: operators with their foldings, cycles and costs; the use of each resource; the gap."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from gatewright.boards import Board
from gatewright.scheduler.problem import Choice, Plan

if TYPE_CHECKING:
    from rich.table import Table

RESOURCES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram36": "BRAM36", "uram288": "URAM"}


def folding_text(choice: Choice) -> str:
    """The parts of a folding that are not 1."""
    parts = {"lanes": "lanes", "simd": "SIMD", "pe": "PE", "tokens": "tokens"}
    shown = [f"{title} {getattr(choice.key, k)}" for k, title in parts.items() if getattr(choice.key, k) > 1]
    return ", ".join(shown) or "1"


def utilisation(plan: Plan, board: Board) -> dict[str, float]:
    """Share of the whole board's amount of each resource that it has."""
    have = board.budget.amounts()
    return {k: v / have[k] for k, v in plan.total.items() if have.get(k)}


def verdict(plan: Plan) -> str:
    """Rate, latency, and how good the plan is known to be, in one line."""
    text = f"{plan.cycles:,.0f} cycles per sequence, {plan.latency:,.0f} for one alone"
    if plan.cycles > max(plan.loads.values()):
        text += "; a change of width between two operators is slower than both"
    if plan.method:
        known = "nothing proven" if plan.gap == inf else f"at most {plan.gap:.1%} above the optimum"
        text += f"; {plan.objective} by method {plan.method}: {'optimal' if plan.gap == 0 else known}"
    return text


def table(plan: Plan, board: Board) -> Table:
    """A rich table: one row per operator, the sums, and their share of the board."""
    from rich.table import Table

    have = board.budget.amounts()
    shown = [k for k in RESOURCES if have.get(k)]
    found = Table(title=f"Plan for {board.title} (cost model)", caption=verdict(plan))
    found.add_column("operator")
    found.add_column("folding")
    for title in ("cycles", "busy", *(RESOURCES[k] for k in shown)):
        found.add_column(title, justify="right")
    for name, choice in plan.chosen.items():
        load = plan.loads[name]
        costs = [f"{choice.cost.get(k, 0):,.0f}" for k in shown]
        found.add_row(name, folding_text(choice), f"{load:,.0f}", f"{_share(load, plan.cycles):.0%}", *costs)
    found.add_section()
    total = [f"{plan.total[k]:,.0f}" for k in shown]
    found.add_row("total", "", f"{plan.cycles:,.0f}", "", *total, style="bold")
    found.add_row("of the board", "", "", "", *(f"{plan.total[k] / have[k]:.1%}" for k in shown))
    return found


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
