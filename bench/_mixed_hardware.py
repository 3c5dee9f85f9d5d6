# SPDX-License-Identifier: Apache-2.0
"""What narrow weights save: one matrix over widths, and a network before and after its search."""

from __future__ import annotations

from typing import Any

import numpy as np
from _kept import Kept
from _mixed_nets import NETS, tuned

from gatewright import boards
from gatewright.comparison import RESOURCES, compare
from gatewright.compress import quantize
from gatewright.compress.recipe import Variant
from gatewright.examples._mnist import load
from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.ops.linear import Linear
from gatewright.synth.report import COLUMNS, measure, part

BOARD = "u200"
WIDTHS = (8, 4, 3, 2)


def single(kept: Kept) -> list[dict[str, object]]:
    """One row per width of the weights of one matrix."""
    return [kept.get(f"single/{bits}", lambda bits=bits: _single(bits)) for bits in WIDTHS]


def _single(bits: int) -> dict[str, object]:
    rng, x, folding = np.random.default_rng(0), TensorType(1, 64, Fixed(8, 0, signed=False)), Folding(simd=8, pe=8)
    top = 1 << (bits - 1)
    op = Linear(rng.integers(-top, top, (64, 64)), rng.integers(-99, 99, 64), np.arange(64) % 2 + 8, bits, Fixed(8, 0))
    (row,) = measure([part("y", op.rtl(folding, x), op.cost(folding, x))], boards.load(BOARD)).rows
    real, model = row.measured.amounts(), row.estimate
    shown = {COLUMNS[k]: f"{real[k]:,.0f} ({getattr(model, k):,.0f})" for k in ("lut", "ff", "dsp")}
    return {"bits": bits, **shown}


def networks(kept: Kept, widths: dict[str, list[int]]) -> list[dict[str, object]]:
    """The perceptron before and after."""
    eight = dict.fromkeys(widths, 8)
    cases: dict[str, tuple[Any, Any, bool]] = {
        "8 bits": (eight, 8, True),
        "found": (widths, widths, True),
    }
    return [_shown(name, kept.get(f"hardware/{name}", lambda c=case, n=name: _network(n, *c)))
            for name, case in cases.items()]  # fmt: skip


def _network(name: str, config: Any, bits: Any, mixed: bool) -> dict[str, Any]:
    """Trained, compiled, in RTL, through Yosys."""
    data = load()
    model = tuned("mlp", bits, 0)
    found = compare(
        [Variant(name, model)], data.train_x[:128], data.test_x, data.test_y, samples=3, board=BOARD,
        target=NETS["mlp"].target, config=quantize.config(config), mixed=mixed, name="mixed",
    )  # fmt: skip
    return dict(vars(found.rows[0]))


def _shown(name: str, row: dict[str, Any]) -> dict[str, object]:
    shown = {"weights": name, "accuracy in fixed point": row["accuracy"], "weight bits stored": row["bits"]}
    shown |= {"cycles per image": row["cycles"], **{k.upper(): row["resources"][k] for k in RESOURCES[:4]}}
    equal = "equal" if row["mismatches"] == 0 else "DIFFERENT"
    return shown | {"RTL": f"{equal}, {row['simulated']:,} cycles ({row['predicted']:,} predicted)"}
