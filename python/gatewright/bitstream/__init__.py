# SPDX-License-Identifier: Apache-2.0
"""Tool flows from a design to something that a board loads, one file each; a board names its own in `[flow] tool`.

A module of this package is a flow when it has `NAME` and `build(job) -> Built`; there is no list to edit.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gatewright.boards import Board
from gatewright.console import rendered
from gatewright.errors import BoardError, BudgetError
from gatewright.graph import Folding, Graph
from gatewright.lower.rtl import RtlDesign

if TYPE_CHECKING:
    from rich.table import Table

NOT_BUILT = 3
"""Exit code of the command when the project is complete, but the vendor's tool is missing."""


@dataclass(frozen=True, eq=False)
class Job:
    """What a flow is to build.

    Attributes:
        network: the generated hardware, without a shell.
        board: what it is for.
        folder: where everything goes; exists.
        seed: of placement.
        graph, foldings: what the network was generated from, for cost models and other generators.
        tool: flow to take instead of the board's own.
    """

    network: RtlDesign
    board: Board
    folder: Path
    seed: int = 1
    graph: Graph | None = None
    foldings: Mapping[str, Folding] = field(default_factory=dict)
    tool: str = ""


@dataclass(frozen=True)
class Use:
    """A resource of the device.

    Attributes:
        resource: as in the board's budget.
        cell: the vendor's name.
        used, available: how many.
    """

    resource: str
    cell: str
    used: float
    available: float


@dataclass(frozen=True)
class Clock:
    """A clock after routing, in MHz."""

    name: str
    reached: float
    needed: float


@dataclass(frozen=True, eq=False)
class Built:
    """What a flow made.

    Attributes:
        tool: name of the flow.
        board: what it is for.
        files: what it wrote, by what it is: "bitstream", "netlist", ..
        uses: resources after placement, or after synthesis if `missing`.
        clocks: after routing.
        seconds: of every step.
        top: name of the module with the board's pins.
        missing: what to tell the user when a tool that is not installed has to go on; else empty.
    """

    tool: str
    board: Board
    files: Mapping[str, Path]
    uses: tuple[Use, ...] = ()
    clocks: tuple[Clock, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    top: str = ""
    missing: str = ""

    def table(self) -> Table:
        """Resources beside the board's, clocks beside what is needed."""
        from rich.table import Table

        table = Table(title=f"{self.board.title} ({self.board.part}) by {self.tool}")
        for name in ("resource", "cells"):
            table.add_column(name)
        for name in ("used", "available", "share"):
            table.add_column(name, justify="right")
        for use in self.uses:
            table.add_row(use.resource, use.cell, *_amounts(use.used, use.available))
        table.add_section()
        for clock in self.clocks:
            margin = f"{clock.reached / clock.needed:.2f} x"
            table.add_row("clock", clock.name, f"{clock.reached:.1f} MHz", f"{clock.needed:g} MHz needed", margin)
        return table

    def __str__(self) -> str:
        return rendered(self.table())


def _amounts(used: float, available: float) -> tuple[str, str, str]:
    share = f"{used / available:.1%}" if available else "-"
    return _number(used), _number(available), share


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1e6 else f"{value:,g}"


def flows() -> dict[str, Callable[[Job], Built]]:
    """Every flow by name."""
    names = (m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return {m.NAME: m.build for m in modules if hasattr(m, "NAME")}


def refuse(board: Board, amounts: Mapping[str, float], what: str) -> None:
    """Raise BudgetError if the amounts exceed the board's budget; names every resource that does."""
    have = board.budget.amounts()
    over = [f"{k} {amounts[k]:,.0f} of {have[k]:,.0f}" for k in have if amounts.get(k, 0) > have[k]]
    if over:
        raise BudgetError(
            f"board {board.name}, {what}",
            "needs " + ", ".join(over),
            "a design within the budget; nothing was placed",
            "allow more cycles (--target), or take a larger board",
        )


def build(job: Job) -> Built:
    """Run the flow of the job's board.

    Raises:
        BoardError: the board has no flow, or names one that does not exist.
        BudgetError: the design does not fit; nothing was placed.
        ToolError: a tool failed.
    """
    known, tool = flows(), job.tool or job.board.flow.get("tool")
    if tool not in known:
        problem = f"flow.tool = {tool!r}" if job.board.flow else "there is no [flow] in its board.toml"
        raise BoardError(f"board {job.board.name}", problem, ", ".join(sorted(known)))
    return known[str(tool)](job)
