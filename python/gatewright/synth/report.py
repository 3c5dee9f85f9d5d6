# SPDX-License-Identifier: Apache-2.0
"""Resources of a design: each operator synthesized, beside its analytic model and the board's budget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gatewright.boards import Board
from gatewright.console import rendered
from gatewright.graph import Cost, Instance
from gatewright.synth.flows import Resources
from gatewright.synth.yosys import synthesize

if TYPE_CHECKING:
    from rich.table import Table

COLUMNS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram36": "BRAM36", "uram288": "URAM"}


@dataclass(frozen=True)
class Part:
    """One piece of a design to be counted.

    Attributes:
        name: what the report calls it, e.g. the node's name.
        module: its top module.
        parameters: SystemVerilog parameters.
        sources: files that are not in the library.
        estimate: resources by the analytic model, if it has one.
    """

    name: str
    module: str
    parameters: Mapping[str, int] = field(default_factory=dict)
    sources: tuple[Path, ...] = ()
    estimate: Cost | None = None


def part(name: str, instance: Instance, estimate: Cost | None = None) -> Part:
    """The part for an operator's RTL instance."""
    return Part(name, instance.module, instance.parameters, instance.sources, estimate)


@dataclass(frozen=True)
class Row:
    """A counted part: `measured` by Yosys, `estimate` by the analytic model."""

    name: str
    module: str
    measured: Resources
    estimate: Cost | None

    def error(self, resource: str) -> float | None:
        """Relative error of the model, (estimate - measured) / measured; None if nothing to compare."""
        if self.estimate is None:
            return None
        real, model = self.measured.amounts()[resource], float(getattr(self.estimate, resource))
        return (model - real) / real if real else (0.0 if not model else None)


@dataclass(frozen=True)
class Report:
    """Counted parts of one design on one board. `str()` and `table()` show it, `as_json()` saves it."""

    rows: tuple[Row, ...]
    board: Board

    @property
    def total(self) -> Resources:
        """Sum over the parts: no logic is shared across operators, and no top-level wiring is counted."""
        return sum((r.measured for r in self.rows), Resources())

    @property
    def estimate(self) -> Cost:
        """Sum of the analytic models."""
        return sum((r.estimate for r in self.rows if r.estimate), Cost())

    def excess(self) -> dict[str, float]:
        """By how much the total exceeds the board, for each resource that does not fit."""
        have, need = self.board.budget.amounts(), self.total.amounts()
        return {k: need[k] - have[k] for k in have if need[k] > have[k]}

    def table(self) -> Table:
        """A rich table: amount, percent of the board, and the model with its error."""
        from rich.table import Table

        title = f"Resources on {self.board.title} ({self.board.part}) by Yosys (in brackets: analytic model)"
        table = Table(title=title)
        table.add_column("operator")
        table.add_column("module")
        shown = [k for k, have in self.board.budget.amounts().items() if have]
        for key in shown:
            table.add_column(COLUMNS[key], justify="right")
        for row in self.rows:
            table.add_row(row.name, row.module, *(self._cell(row, k) for k in shown))
        table.add_section()
        known = all(r.estimate for r in self.rows)
        total = Row("total", "", self.total, self.estimate if known else None)
        table.add_row("total", "", *(self._cell(total, k) for k in shown), style="bold")
        return table

    def _cell(self, row: Row, key: str) -> str:
        real, have = row.measured.amounts()[key], self.board.budget.amounts()[key]
        text = f"{real:g} {100 * real / have:.2f} %"
        if row.estimate is None:
            return text
        error = row.error(key)
        shown = "" if error is None else f" {100 * error:+.0f} %"
        return f"{text}\n({getattr(row.estimate, key):.4g}{shown})"

    def as_json(self) -> dict[str, Any]:
        """Plain dictionaries."""
        rows = []
        for row in self.rows:
            model = None if row.estimate is None else {k: getattr(row.estimate, k) for k in COLUMNS}
            measured = row.measured.amounts()
            rows.append({"name": row.name, "module": row.module, "yosys": measured, "model": model})
        total, budget = self.total.amounts(), self.board.budget.amounts()
        return {"board": self.board.name, "rows": rows, "total": total, "budget": budget}

    def __str__(self) -> str:
        return rendered(self.table())


def measure(parts: Iterable[Part], board: Board, flow: str = "") -> Report:
    """Synthesize each part on its own for the board's family; equal parts are synthesized once.

    Args:
        parts: pieces of the design.
        board: gives family and budget.
        flow: see `yosys.synthesize`.

    Raises:
        ToolError: Yosys is missing or failed on a part.
    """
    done: dict[tuple[object, ...], Resources] = {}
    rows = []
    for one in parts:
        key = (one.module, tuple(sorted(one.parameters.items())), one.sources)
        if key not in done:
            done[key] = synthesize(one.module, one.parameters, one.sources, board.family, flow)
        rows.append(Row(one.name, one.module, done[key], one.estimate))
    return Report(tuple(rows), board)


def worst(report: Report, resources: Sequence[str] = ("lut", "dsp")) -> float:
    """Largest relative error of the analytic model over the given resources of the whole design."""
    total = Row("total", "", report.total, report.estimate)
    return max((abs(e) for r in resources if (e := total.error(r)) is not None), default=0.0)
