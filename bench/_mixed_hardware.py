# SPDX-License-Identifier: Apache-2.0
"""What narrow weights save: one matrix over widths, and one network with widths chosen in several ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from _kept import Kept
from _mixed_nets import NETS, tuned
from _table import shown

import gatewright as gw
from gatewright import boards
from gatewright.comparison import RESOURCES, compare
from gatewright.compress import quantize
from gatewright.compress.recipe import Variant
from gatewright.examples._mnist import load
from gatewright.fixed import Fixed
from gatewright.graph import Cost, Folding, TensorType
from gatewright.ops._memory_cost import weigh
from gatewright.ops.linear import Linear
from gatewright.synth.report import COLUMNS, measure, part

BOARD, NET = "u200", "mlp"
WIDTHS = (8, 4, 3, 2)
TOTAL = "in all, as LUT"


def single(kept: Kept) -> list[dict[str, object]]:
    """One row per width of the weights of one matrix."""
    return [kept.get(f"single/{bits}", lambda bits=bits: _single(bits)) for bits in WIDTHS]


def _single(bits: int) -> dict[str, object]:
    rng, x, folding = np.random.default_rng(0), TensorType(1, 64, Fixed(8, 0, signed=False)), Folding(simd=8, pe=8)
    top = 1 << (bits - 1)
    op = Linear(rng.integers(-top, top, (64, 64)), rng.integers(-99, 99, 64), np.arange(64) % 2 + 8, bits, Fixed(8, 0))
    (row,) = measure([part("y", op.rtl(folding, x), op.cost(folding, x))], boards.load(BOARD)).rows
    real, model = row.measured.amounts(), row.estimate
    made = {COLUMNS[k]: f"{real[k]:,.0f} ({getattr(model, k):,.0f})" for k in ("lut", "ff", "dsp")}
    return {"bits": bits, **made, TOTAL: f"{weigh(Cost(**real)):,.0f} ({weigh(model):,.0f})"}


@dataclass(frozen=True)
class Case:
    """A way to choose the widths of the network's weights.

    Attributes:
        name: of its row.
        method: of its point in the plots.
        widths: bits of all weights, or of every output channel by module path.
        split: whether a matrix may become one unit per width.
    """

    name: str
    method: str
    widths: int | Mapping[str, Sequence[int]]
    split: bool = True

    def measured(self, kept: Kept) -> dict[str, Any]:
        """A `comparison.Row` as a dictionary, with its matrix units."""
        found: dict[str, Any] = kept.get(f"hardware/{self.name}", self._measure)
        return found

    def _measure(self) -> dict[str, Any]:
        """The network of seed 0 trained with these widths, compiled, in RTL, through Yosys."""
        data, model = load(), tuned(NET, self.widths, 0)
        widths: Any = self.widths
        every = dict.fromkeys(NETS[NET].pace, widths) if isinstance(widths, int) else widths
        how: dict[str, Any] = {
            "board": BOARD, "target": NETS[NET].target, "config": quantize.config(every), "mixed": self.split,
            "name": "mixed",
        }  # fmt: skip
        found = compare(
            [Variant(self.name, model)], data.train_x[:128], data.test_x, data.test_y, samples=3, **how
        ).rows[0]  # fmt: skip
        return vars(found) | {"units": units(gw.compile(model, data.train_x[:1], data.train_x[:128], **how))}


def units(design: gw.Design) -> str:
    """Outputs and width of every matrix unit; units of one layer are joined by "+"."""
    layers: dict[str, list[str]] = {}
    for node in design.graph.nodes:
        op: Any = node.op
        if hasattr(op, "weight_width"):
            x = design.graph.input_types(node)[0].fixed
            coded = op.codebook is not None and op.matrix(x).coding(design.foldings[node.name])
            kind = " sparse" if hasattr(op, "sparse") else " coded" if coded else ""
            layers.setdefault(node.origin, []).append(f"{len(op.weight)} x {op.weight_width}{kind}")
    return ", ".join(" + ".join(one) for one in layers.values())


def networks(kept: Kept, cases: Sequence[Case]) -> list[dict[str, object]]:
    """One row per case."""
    return [_row(one.name, one.measured(kept)) for one in cases]


def grouping(kept: Kept, cases: Sequence[Case]) -> str:
    """What widths per group cost, beside fewer widths; cases in the order of the page."""
    eight, _, two, layer, groups, groups_whole, one, one_whole = (c.measured(kept) for c in cases)

    def cost(row: dict[str, Any]) -> str:
        return f"{weigh(Cost(**row['resources'])):,.0f}"

    every = [row["accuracy"] for row in (groups, layer, two)]
    error = 100 * float(np.sqrt(every[0] * (1 - every[0]) / len(load().test_x)))
    return (
        f"What grouping costs, in all, as look-up tables: {cost(groups)} at 2 bits on average in groups, {cost(layer)} "
        f"with one width per layer, {cost(two)} with 2 bits everywhere; accuracy "
        f"{', '.join(f'{100 * a:.1f}' for a in every)}, standard error {error:.1f} points. Wide channels are few, but "
        "need a unit of their own or widen that of their layer. Groups pay where they let channels go: "
        f"{cost(one)} at 1 bit on average, which widths of whole layers cannot reach. Where layers are not split, "
        f"{cost(groups_whole)} at 2 bits and {cost(one_whole)} at 1 bit, beside {cost(eight)} with 8 bits everywhere."
    )


def _row(name: str, row: dict[str, Any]) -> dict[str, object]:
    made = {"weights": name, "units": row["units"], "accuracy in integers": f"{100 * row['accuracy']:.1f}"}
    made |= {"bits stored": shown(row["bits"]), "cycles per image": shown(row["cycles"])}
    made |= {COLUMNS[k]: shown(row["resources"][k]) for k in RESOURCES[:4]}
    equal = "equal" if row["mismatches"] == 0 else "DIFFERENT"
    made[TOTAL] = f"{weigh(Cost(**row['resources'])):,.0f}"
    return made | {"RTL": f"{equal}, {row['simulated']:,} cycles ({row['predicted']:,} predicted)"}
