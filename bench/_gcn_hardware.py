# SPDX-License-Identifier: Apache-2.0
"""Graph networks in hardware: compiled, verified in RTL, resources by Yosys, dense weights beside sparse ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from _graphs import accuracy, digits, run
from _points import Point
from _table import markdown

from gatewright.design import Design
from gatewright.design import compile as compiled
from gatewright.synth.report import COLUMNS

SEED, TARGET = 0, 14_000
"""Cycles per graph that designs are folded for: two channels of an edge at a time would be too slow for it."""
FEW = 4
"""Multipliers of the first layer in the second table."""
VARIANTS = {"dense": ("dense", 0.0), "RigL 90 %": ("RigL", 0.9), "RigL 95 %": ("RigL", 0.95), "SLR 95 %": ("SLR", 0.95)}
SHOWN = {k: v for k, v in COLUMNS.items() if k != "uram288"}


def samples() -> Any:
    """[2, nodes, channels]: the graph's digits, and 600 others on the same edges."""
    from sklearn.datasets import load_digits

    return np.stack([digits().x[0], (load_digits().data[600:1200] / 16).astype(np.float32)])


def design_of(method: str, sparsity: float, **options: Any) -> Design:
    """A trained network, compiled; float models are trained anew, which takes a second."""
    model = run(digits(), method, 1 - sparsity, SEED).eval()
    return compiled(model, digits().x, digits().x, board="u200", name="gcn", **options)


def checked(design: Design) -> dict[str, Any]:
    """Verified: RTL equals golden, golden is within its tolerance of PyTorch."""
    verified = design.verify(samples(), ["golden", "rtl"])
    verified.check()
    rows = {row.executor: row for row in verified.rows}
    return {
        "golden": accuracy(design.run(digits().x), digits(), SEED),
        "operators": [n.op.name() for n in design.graph.nodes],
        "cycles": rows["rtl"].cycles / len(samples()),
        "predicted": verified.predicted / len(samples()),
    }


def equal_cycles(method: str, sparsity: float) -> dict[str, Any]:
    """The least hardware that keeps up with `TARGET`."""
    design = design_of(method, sparsity, target=TARGET)
    report = design.resources()
    parts = {r.name: r.measured.amounts() for r in report.rows}
    first = next(n.name for n in design.graph.nodes if "linear" in n.op.name())
    graphs = [n.name for n in design.graph.nodes if n.op.name() == "aggregate"]
    return {
        **checked(design),
        "total": report.total.amounts(),
        "first": parts[first],
        "aggregate": parts[graphs[0]],
        "estimate": {k: float(getattr(next(r.estimate for r in report.rows if r.name == graphs[0]), k)) for k in SHOWN},
        "foldings": {g: design.foldings[g].lanes for g in graphs},
        "bits": int(sum(r.size * 32 for n, i in design.rtl.instances.items() if n not in graphs for r in i.memory)),
    }


def few_multipliers(method: str, sparsity: float) -> dict[str, Any]:
    """The first layer on `FEW` multipliers: cycles fall with the weights."""
    plain = design_of(method, sparsity)
    first = next(n for n in plain.graph.nodes if "linear" in n.op.name())
    kinds = plain.graph.input_types(first)
    options = [f for f in first.op.foldings(*kinds) if f.simd * f.pe == FEW and f.tokens == 1]
    chosen = min(options, key=lambda f: int(np.max(first.op.stages(f, 2, *kinds)[-1].interval)))
    return checked(design_of(method, sparsity, foldings={**plain.foldings, first.name: chosen}))


def blocks(kept: Any) -> list[str]:
    """Tables of the compiled networks."""
    whole = {n: kept.get(f"hardware/{n}", lambda v=v: equal_cycles(*v)) for n, v in VARIANTS.items()}
    few = {n: kept.get(f"few/{n}", lambda v=v: few_multipliers(*v)) for n, v in VARIANTS.items()}
    rows = []
    for name, v in whole.items():
        row: dict[str, object] = {"weights": name, "golden": f"{v['golden']:.3f}"}
        row |= {
            "cycles": f"{v['cycles']:,.0f}",
            "predicted": f"{v['predicted']:,.0f}",
            "Kbit": f"{v['bits'] / 1000:,.1f}",
        }
        row |= {title: f"{v['total'][k]:,.0f} ({v['first'][k]:,.0f})" for k, title in SHOWN.items()}
        rows.append(row)
    dense, slow = whole["dense"], few["dense"]
    edges = digits().edges.shape[1] + digits().nodes
    unit = ", ".join(f"{dense['aggregate'][k]:,.0f} {t} ({dense['estimate'][k]:,.0f})" for k, t in SHOWN.items())
    lanes = next(iter(dense["foldings"].values()))
    shorter = [
        {
            "weights": n,
            "operators": ", ".join(v["operators"]),
            "cycles": f"{v['cycles']:,.0f}",
            "predicted": f"{v['predicted']:,.0f}",
            "share": f"{v['cycles'] / slow['cycles']:.0%}",
        }
        for n, v in few.items()
    ]
    return [
        f"## Hardware ({digits().title}, seed {SEED})",
        f"Folded for {TARGET:,} cycles per graph of {digits().nodes} nodes on a U200. Every design was verified: RTL "
        "equals golden on two graphs' features, and golden is within its derived tolerance of PyTorch. Cycles are "
        "those of two graphs back to back, halved, so that filling the pipeline counts. Resources by Yosys, in "
        "brackets those of the first layer; Kbit of weights on the load chain; golden: test accuracy of the integers.",
        markdown(rows),
        f"One aggregation ({edges:,} edges with self loops, {lanes} of {digits().hidden} channels per cycle): {unit}; "
        "in brackets the analytic model.",
        f"## The first layer on {FEW} multipliers",
        "All else as fast as it goes. A graph takes as long as its slowest operator, so aggregation is the floor below "
        "which zeros save nothing.",
        markdown(shorter),
    ]


def points(kept: Any) -> list[Point]:
    """What was compiled at equal cycles."""
    found = []
    for name, v in ((n, kept.found[f"hardware/{n}"]) for n in VARIANTS):
        method, work = VARIANTS[name][0], v["total"]["dsp"] * v["cycles"]
        found.append(Point(digits().title, method, f"GCN, {name}, compiled", v["golden"], 0.0, v["bits"], work))
    return found
