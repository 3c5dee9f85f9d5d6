# SPDX-License-Identifier: Apache-2.0
"""What patterns of zeros save: networks trained by DST-EE, compiled and verified in RTL; and one matrix by Yosys."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from _sparse_nets import NETS, run
from _table import markdown

from gatewright import boards
from gatewright.compress.dst_ee import DST_EE, Exploration
from gatewright.compress.sparse import Pattern
from gatewright.design import Design
from gatewright.design import compile as compiled
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Op, TensorType
from gatewright.ops.linear import Linear
from gatewright.ops.sparse_linear import SparseLinear
from gatewright.synth.report import COLUMNS, Row, measure, part

TARGET, IMAGES = 128, 60
"""Cycles per image that designs are folded for; images that go through RTL."""
STRONG = replace(DST_EE, c=10.0)
"""More exploration than the default."""
VARIANTS: dict[str, tuple[Exploration | None, float, Pattern | None]] = {
    "dense": (None, 1.0, None),
    "1:4": (STRONG, 1 / 4, Pattern(1, 4)),
    "1:8": (STRONG, 1 / 8, Pattern(1, 8)),
    "1:16": (STRONG, 1 / 16, Pattern(1, 16)),
    "unstructured 1/16": (STRONG, 1 / 16, Pattern()),
    "blocks of 2 outputs 1/16": (STRONG, 1 / 16, Pattern(2, 16)),
}
"""Exploration, density and pattern of each; densities are uniform, so that all can be compared."""


def variant(name: str) -> dict[str, Any]:
    """Train, compile for equal cycles, verify."""
    net = NETS["digits"]
    how, density, pattern = VARIANTS[name]
    model, found = run(net, how, density, 0, pattern, erk=False)
    data = net.load()
    design = compiled(
        model.eval(), torch.zeros(1, 64), data.train_x[:256], board="u200", target=TARGET, name="sparse_mlp"
    )
    verified = design.verify(data.test_x[:IMAGES], ["golden", "rtl"])
    verified.check()
    golden = np.asarray(design.run(data.test_x)).argmax(1)
    rows = {row.executor: row for row in verified.rows}
    costs = [
        n.op.cost(design.foldings[n.name], *design.graph.input_types(n))
        for n in design.graph.nodes
        if n.name in design.rtl.instances
    ]
    return {
        **found,
        "golden": float((golden == data.test_y).mean()),
        "operators": [n.op.name() for n in design.graph.nodes if "linear" in n.op.name()],
        "cycles": rows["rtl"].cycles / IMAGES,
        "predicted": verified.predicted / IMAGES,
        "bits": stored(design),
        **{k: sum(float(getattr(c, k)) for c in costs) for k in COLUMNS},
    }


def guessed(row: Row) -> dict[str, float]:
    """What the analytic model says."""
    return {k: float(getattr(row.estimate, k)) for k in COLUMNS}


def stored(design: Design) -> int:
    """Bits of the load chain: weights, indices, offsets."""
    return int(sum(rows.size * 32 for i in design.rtl.instances.values() for rows in i.memory))


def hardware_blocks(kept: Any) -> list[str]:
    """Tables of whole networks and of one matrix."""
    whole = {name: kept.get(f"hardware/{name}", lambda name=name: variant(name)) for name in VARIANTS}
    rows = []
    for name, v in whole.items():
        row: dict[str, object] = {"pattern": name, "accuracy": f"{v['accuracy']:.3f}", "golden": f"{v['golden']:.3f}"}
        row |= {
            "cycles": f"{v['cycles']:,.0f}",
            "predicted": f"{v['predicted']:,.0f}",
            "Kbit": f"{v['bits'] / 1000:,.0f}",
        }
        rows.append(row | {COLUMNS[k]: f"{v[k]:,.0f}" for k in COLUMNS if k != "uram288"})
    blocks = [
        f"## Whole networks at equal cycles ({NETS['digits'].title})",
        f"Folded for {TARGET} cycles per image on a U200. Every design was verified: RTL equals golden on {IMAGES} "
        "images. Resources by the analytic model, see below for its error; Kbit on the load chain. One seed, c = 10, "
        "uniform densities; the classifier stays dense.",
        markdown(rows),
    ]
    for title, folding in SINGLE.items():
        made = kept.get(f"single/{title}", lambda folding=folding: single(folding))
        text = "Yosys, in brackets the analytic model. Random zeros, 8 bits; dense pairs of weights share a multiplier."
        blocks += [f"## One matrix, 256 x 256, {title}", text, markdown([shown(r, folding) for r in made])]
    return blocks


SINGLE = {"16 multipliers (SIMD 4, PE 4)": (4, 4)}
"""Multipliers that dense and sparse operators have alike."""


def single(size: tuple[int, int]) -> list[dict[str, Any]]:
    """The same multipliers at several densities: cycles and memory fall, places and gathering cost."""
    simd, pe = size
    rng, x = np.random.default_rng(0), TensorType(1, 256, Fixed(8, 0))
    rows = []
    for name, op in matrices(rng).items():
        folding = Folding(simd=simd, pe=pe)
        stage = op.stages(folding, 2, x)[0]
        report = measure([part("y", op.rtl(folding, x), op.cost(folding, x))], boards.load("u200"))
        amounts, guess = report.rows[0].measured.amounts(), guessed(report.rows[0])
        memory = sum(m.size * 32 for m in op.rtl(folding, x).memory)
        rows.append(
            {
                "weights": name,
                "cycles": int(np.max(stage.interval)),
                "bits": int(memory),
                "real": amounts,
                "model": guess,
            }
        )
    return rows


def shown(row: dict[str, Any], size: tuple[int, int]) -> dict[str, object]:
    """A row of the table; a multiplier is busy when a weight that is not zero is there for it."""
    op: Any = matrices(np.random.default_rng(0))[row["weights"]]
    busy = np.count_nonzero(op.weight) / (row["cycles"] * size[0] * size[1])
    cells = {"weights": row["weights"], "cycles per token": row["cycles"], "busy": f"{busy:.0%}"}
    amounts = {COLUMNS[k]: f"{row['real'][k]:,.0f} ({row['model'][k]:,.0f})" for k in COLUMNS if k != "uram288"}
    return {**cells, "Kbit": f"{row['bits'] / 1000:,.0f}", **amounts}


def matrices(rng: np.random.Generator) -> dict[str, Op]:
    """A dense matrix, and sparse ones of several kinds."""
    full = rng.integers(1, 128, (256, 256)) * rng.choice([-1, 1], (256, 256))

    def sparse(mask: Any, **how: Any) -> Op:
        return SparseLinear(full * mask, *tail, **how)

    tail = (rng.integers(-99, 99, 256), np.full(256, 14), 8, Fixed(8, 0))

    def ranks(m: int) -> Any:
        return rng.random((256, 256 // m, m)).argsort(2).argsort(2).reshape(256, 256)

    found: dict[str, Op] = {"dense": Linear(full, *tail)}
    for m in (4, 8, 16):
        found[f"1:{m}"] = sparse(ranks(m) < 1, reach=m, shared=True)
    for share in (1 / 8, 1 / 16, 1 / 32):
        found[f"unstructured 1/{round(1 / share)}"] = sparse(rng.random((256, 256)) < share, reach=4)
    pairs = np.repeat(ranks(16)[:128] < 1, 2, axis=0)
    found["1:16, blocks of 2 outputs"] = replace(sparse(pairs, reach=16, shared=True), block=2)  # type: ignore[type-var]
    return found
