# SPDX-License-Identifier: Apache-2.0
"""What `Design.verify` found: one row per executor, and golden beside the float model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatewright.console import rendered
from gatewright.errors import SimulationError
from gatewright.frontend.imported import Compared

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One executor.

    Attributes:
        executor: its name.
        sequences, tokens: how much went through it.
        mismatches: integers that differ from golden.
        cycles: clock cycles, 0 for an executor without a clock.
        seconds: wall time, builds included.
        skipped: why it could not run; empty if it did.
    """

    executor: str
    sequences: int
    tokens: int
    mismatches: int
    cycles: int
    seconds: float
    skipped: str = ""


@dataclass(frozen=True)
class Verification:
    """Every executor against golden, and golden against the float model.

    Attributes:
        name: of the design.
        rows: golden first.
        predicted: cycles by the cycle model, without stalls.
        compared: golden and float results with the derived bound of their difference; None if not compared.
        stall: chance per cycle of a pause on every port.
    """

    name: str
    rows: tuple[Row, ...]
    predicted: int
    compared: Compared | None
    stall: float

    @property
    def mismatches(self) -> int:
        """Integers of all executors that differ from golden."""
        return sum(r.mismatches for r in self.rows)

    @property
    def worst(self) -> tuple[float, float]:
        """Largest |golden - float|, and the largest tolerance; zeros when not compared."""
        return self.compared.worst if self.compared is not None else (0.0, 0.0)

    @property
    def sharpest(self) -> tuple[str, float]:
        """The node closest to its own tolerance, and how much of it is used: |golden - float| / bound of that layer."""
        if self.compared is None or not self.compared.layers:
            return "", 0.0
        name = max(self.compared.layers, key=lambda n: self.compared.layers[n][2])  # type: ignore[union-attr]
        return name, self.compared.layers[name][2]

    def problems(self) -> list[str]:
        """What is wrong; empty when everything is equal."""
        found = [f"{r.executor}: {r.mismatches} integers differ from golden" for r in self.rows if r.mismatches]
        if self.compared is not None and not self.compared.holds:
            gap, bound = self.worst
            name, used = self.sharpest
            found.append(
                f"golden leaves the derived tolerance of PyTorch: {gap:.4g} against {bound:.4g} at the output, "
                f"{used:.2f} of the tolerance in {name}"
            )
        return found

    def check(self) -> Verification:
        """This verification, if nothing differs.

        Raises:
            SimulationError: naming every executor that differs.
        """
        if self.problems():
            raise SimulationError(f"design {self.name}", "; ".join(self.problems()))
        return self

    def table(self) -> Table:
        """A rich table."""
        from rich.table import Table

        title = f"{self.name}: executors against golden"
        table = Table(title=title + (f", every port pauses {self.stall:.0%} of the time" if self.stall else ""))
        for column in ("executor", "sequences", "tokens", "mismatches", "cycles", "predicted", "seconds"):
            table.add_column(column, justify="left" if column == "executor" else "right")
        for row in self.rows:
            cycles = f"{row.cycles:,}" if row.cycles else "-"
            guess = f"{self.predicted:,} ({self.predicted / row.cycles - 1:+.2%})" if row.cycles else "-"
            table.add_row(
                row.executor,
                f"{row.sequences:,}",
                f"{row.tokens:,}",
                f"{row.mismatches}" if not row.skipped else "not run",
                cycles,
                guess if not self.stall else "-",
                f"{row.seconds:.1f}",
            )
        notes = [f"{row.executor} not run: {row.skipped}" for row in self.rows if row.skipped]
        if self.compared is not None:
            gap, bound = self.worst
            name, used = self.sharpest
            notes.append(
                f"golden to PyTorch: each layer within its derived tolerance (closest: {name}, {used:.2f} of it); "
                f"output differs by at most {gap:.3g}, worst case through all layers {bound:.3g}"
            )
        table.caption = "\n".join(notes) or None
        return table

    def __str__(self) -> str:
        return rendered(self.table())
