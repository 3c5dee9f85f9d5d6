# SPDX-License-Identifier: Apache-2.0
"""Variants of a network side by side: accuracy, size, and the compiled, verified hardware of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gatewright.console import rendered
from gatewright.design import Design, compile
from gatewright.graph import Folding, Graph, Node, most_tokens
from gatewright.progress import track
from gatewright.schedule import all_nodes

if TYPE_CHECKING:
    from rich.table import Table

RESOURCES = ("lut", "ff", "dsp", "bram36", "uram288")


class Named(Protocol):
    """What is compared, e.g. a `compress.recipe.Variant`."""

    @property
    def name(self) -> str:
        """Of the row."""

    @property
    def model(self) -> Any:
        """A `torch.nn.Module`."""

    @property
    def parameters(self) -> int:
        """Numbers in it."""


@dataclass(frozen=True)
class Row:
    """One variant.

    Attributes:
        name: of the variant.
        accuracy: share of right answers of the integers that the hardware computes.
        parameters: of the float model.
        bits: that the hardware's stores of weights hold, codebooks and indices included.
        macs: products with a weight that is not zero, per sample.
        cycles: between two samples at full speed, by the cycle model.
        resources: sum over the operators, by Yosys or by the analytic model.
        mismatches: integers of the verified executors that differ from golden; None if none ran.
        predicted, simulated: cycles of the verified samples; 0 where none ran.
    """

    name: str
    accuracy: float
    parameters: int
    bits: int
    macs: int
    cycles: float
    resources: Mapping[str, float] = field(default_factory=dict)
    mismatches: int | None = None
    predicted: int = 0
    simulated: int = 0


@dataclass(frozen=True)
class Comparison:
    """Rows in the order of the variants; `str()` and `table()` show them beside the first one."""

    rows: tuple[Row, ...]
    board: str

    def table(self) -> Table:
        """A rich table."""
        from rich.table import Table

        table = Table(title=f"Before and after, on {self.board}")
        head = ("", "accuracy", "parameters", "weight bits", "MACs", "cycles", *map(str.upper, RESOURCES), "RTL")
        for k, name in enumerate(head):
            table.add_column(name, justify="right" if k else "left")
        for cells in self.cells():
            table.add_row(*cells)
        return table

    def cells(self) -> list[list[str]]:
        """Every row as text; sizes with their share of the first row's."""
        first, found = self.rows[0], []
        for row in self.rows:
            sizes = ("parameters", "bits", "macs", "cycles")
            shares = [_share(getattr(row, s), getattr(first, s), row is first) for s in sizes]
            amounts = [f"{row.resources[k]:g}" if row.resources else "-" for k in RESOURCES]
            equal = "-" if row.mismatches is None else "equal" if not row.mismatches else f"{row.mismatches} differ"
            found.append([row.name, f"{row.accuracy:.3f}", *shares, *amounts, equal])
        return found

    def __str__(self) -> str:
        return rendered(self.table())


def _share(value: float, first: float, alone: bool) -> str:
    return f"{value:,.0f}" if alone or not first else f"{value:,.0f} ({value / first:.0%})"


def compare(
    variants: Iterable[Named],
    calibration: Any,
    x: Any,
    y: Any,
    *,
    samples: int = 2,
    executors: tuple[str, ...] = ("golden", "rtl"),
    yosys: bool = True,
    **options: Any,
) -> Comparison:
    """Compile every variant alike, verify and measure it.

    Args:
        calibration: inputs that show the range of every value.
        x, y: test inputs [N, ...] and labels [N].
        samples: how many of `x` the executors run; 0 for none.
        executors: that are compared with golden.
        yosys: resources by Yosys; else by the analytic model.
        options: of `gatewright.compile`.

    Raises:
        SimulationError: an executor's integers differ from golden.
    """
    rows, board = [], ""
    for one in track(list(variants), "comparison"):
        design = compile(one.model, calibration[:1], calibration, **options)
        board = design.board.title
        rows.append(_row(one, design, x, y, samples, executors, yosys))
    return Comparison(tuple(rows), board)


def _row(one: Named, design: Design, x: Any, y: Any, samples: int, executors: tuple[str, ...], yosys: bool) -> Row:
    scores = np.asarray(design.imported.run(x))
    right = float(np.mean(scores.reshape(len(scores), -1).argmax(axis=1) == np.asarray(y)))
    resources = design.resources().total.amounts() if yosys else _estimate(design)
    tokens = most_tokens(design.imported.input_type.tokens)
    found: dict[str, Any] = {}
    if samples:
        verification = design.verify(x[:samples], executors, compare=False)
        verification.check()
        simulated = max(r.cycles for r in verification.rows)
        found = {
            "mismatches": verification.mismatches,
            "predicted": verification.predicted if simulated else 0,
            "simulated": simulated,
        }
    return Row(
        one.name,
        right,
        one.parameters,
        sum(weight_bits(g, n, design.foldings[k]) for k, (g, n) in all_nodes(design.graph)),
        sum(macs(g, n) for _, (g, n) in all_nodes(design.graph)),
        design.predict([tokens, tokens]).cycles - design.predict([tokens]).cycles,
        resources,
        **found,
    )


def _estimate(design: Design) -> dict[str, float]:
    """Resources by the analytic model."""
    total = dict.fromkeys(RESOURCES, 0.0)
    for name, (graph, node) in all_nodes(design.graph):
        cost = node.op.cost(design.foldings[name], *graph.input_types(node))
        for key in RESOURCES:
            total[key] += getattr(cost, key)
    return total


def weight_bits(graph: Graph, node: Node, folding: Folding) -> int:
    """Bits of a node's store of weights, with its codebook; those of one iteration of a loop."""
    op: Any = node.op
    if not hasattr(op, "weight_width"):
        return 0
    x = graph.input_types(node)[0].fixed
    # What the matrix unit of a convolution looks like depends on the channels per beat.
    at = (x, folding.lanes) if hasattr(op, "window") else (x,)
    unit = op.sparse(*at) if hasattr(op, "sparse") else op.matrix(*at)
    table = op.codebook.size * op.weight_width if op.codebook is not None and op.matrix(*at).coding(folding) else 0
    return int(unit.row_bits(folding) * unit.depth(folding) + table)


def macs(graph: Graph, node: Node) -> int:
    """Products of a node per sequence of the greatest length, without those with weights that are zero."""
    op: Any = node.op
    if not hasattr(op, "weight_width"):
        return 0
    # A recurrent layer works on every token, even if only the last result leaves.
    kind = graph.input_types(node)[0] if hasattr(op, "cell") else graph.types[node.name]
    return int(np.count_nonzero(op.weight)) * most_tokens(kind.tokens)
