# SPDX-License-Identifier: Apache-2.0
"""What U-Nets need in hardware: operators by Yosys, RTL against golden, and the FIFOs of their skips."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gatewright.comparison import macs
from gatewright.design import Design
from gatewright.graph import most_tokens
from gatewright.lower import timing
from gatewright.lower.depths import join_lags
from gatewright.ops._window import memory_cost
from gatewright.synth.report import Part, measure

COLUMNS = ("lut", "ff", "dsp", "bram36")
LEAST = 2
"""Tokens of a skip's lag that its FIFO's memory need not hold, see tests/lower/test_skips.py."""


def bits(design: Design, link: tuple[str, int]) -> int:
    """Width of a channel on a link."""
    name, port = link
    return design.graph.types[design.graph.node(name).inputs[port]].fixed.width


def skips(design: Design) -> list[dict[str, Any]]:
    """Per skip: what it must hold, what it gets, and the pace with either."""
    graph, rows = design.graph, []

    def pace(depths: Any) -> float:
        rtl = replace(design.rtl, depths=depths)
        tokens = most_tokens(design.imported.input_type.tokens)
        return timing.cycles(graph, design.foldings, rtl, [(tokens,)] * 3).period

    for (name, port), (lag, _) in sorted(join_lags(graph, design.foldings).items()):
        if port != 1:
            continue
        depth, kind = design.rtl.depths[name, port], graph.types[graph.node(name).inputs[port]]
        row = {"join": name, "image": kind.tokens, "least": lag - LEAST, "depth": depth.tokens}
        row |= {"bits": kind.channels * kind.fixed.width, "pace": pace(design.rtl.depths)}
        # The cycle model puts less into registers than the hardware.
        shallow = {**design.rtl.depths, (name, port): replace(depth, tokens=lag)}
        rows.append(row | {"pace at least": pace(shallow)})
    return rows


def queues(design: Design) -> list[Part]:
    """All FIFOs between operators, with the model of a memory."""
    parts = []
    for (name, port), depth in design.rtl.depths.items():
        lanes = design.rtl.instances[name].in_lanes[port]
        size = {"Width": lanes * bits(design, (name, port)), "Depth": max(1, depth.channels // lanes)}
        cost = memory_cost(size["Width"] + 1, size["Depth"])
        parts.append(Part(f"{name}_{port}", "stream_fifo", size, estimate=cost))
    return parts


def synthesis(design: Design) -> dict[str, Any]:
    """Operators and FIFOs by Yosys and by the model; of each kind their sum."""
    found: dict[str, Any] = {}
    operators, fifos = design.resources(), measure(queues(design), design.board)
    for row in (*operators.rows, *fifos.rows):
        kind = "FIFO" if row.module == "stream_fifo" else row.module
        total = found.setdefault(kind, {"count": 0, **{f"{s} {k}": 0.0 for s in ("yosys", "model") for k in COLUMNS}})
        total["count"] += 1
        for key in COLUMNS:
            total[f"yosys {key}"] += row.measured.amounts()[key]
            total[f"model {key}"] += getattr(row.estimate, key)
    return found


def yosys_rows(found: dict[str, Any]) -> list[dict[str, object]]:
    """Rows of the table of resources."""
    rows = []
    for kind, total in found.items():
        cells = {k.upper(): f"{total[f'yosys {k}']:,g} ({round(total[f'model {k}'], 1):,g})" for k in COLUMNS}
        rows.append({"module": kind, "number": total["count"], **cells})
    return rows


def hardware(design: Design, scenes: Any) -> dict[str, Any]:
    """Verify in RTL, count memories.

    Args:
        scenes: float32 [N, 1, H, W] that go through RTL.
    """
    verified = design.verify(scenes, ["golden", "rtl"], compare=False)
    verified.check()
    tokens = most_tokens(design.imported.input_type.tokens)
    costs = [n.op.cost(design.foldings[n.name], *design.graph.input_types(n)) for n in design.graph.nodes]
    return {
        "macs": sum(macs(design.graph, n) for n in design.graph.nodes),
        "rtl": verified.rows[-1].cycles,
        "predicted": verified.predicted,
        "period": design.predict([tokens] * 3).period,
        "operators": {k: sum(getattr(c, k) for c in costs) for k in COLUMNS},
        "fifos": sum(p.estimate.bram36 for p in queues(design) if p.estimate),
        "fifo bits": sum(d.channels * bits(design, k) for k, d in design.rtl.depths.items()),
        "map bits": sum(int(np.prod([most_tokens(t.tokens), t.channels, t.fixed.width])) for t in maps(design)),
    }


def maps(design: Design) -> list[Any]:
    """Types of all feature maps, which a design without streams would keep."""
    return [design.graph.types[n.name] for n in design.graph.nodes]


def buffer_rows(name: str, found: list[dict[str, Any]]) -> list[dict[str, object]]:
    """Rows of the table of skips."""
    return [
        {
            "way up": name,
            "tokens of the image": row["image"],
            "least (no deadlock)": f"{row['least']} ({row['least'] / row['image']:.0%})",
            "computed (full pace)": f"{row['depth']} ({row['depth'] / row['image']:.0%})",
            "Kbit": f"{row['depth'] * row['bits'] / 1000:.1f} of {row['image'] * row['bits'] / 1000:.1f}",
            "cycles per image": row["pace"],
            "at the least": row["pace at least"],
        }
        for row in found
    ]


def design_row(name: str, row: dict[str, Any]) -> dict[str, object]:
    """A row of the table of designs."""
    shown: dict[str, object] = {"way up": name, "MACs": row["macs"], "cycles per image": row["period"]}
    shown["RTL"] = f"equal; {row['rtl']:,} cycles, {row['predicted']:,} predicted"
    shown |= {
        k.upper(): f"{row['operators'][k]:,.1f}" if k == "bram36" else f"{row['operators'][k]:,.0f}" for k in COLUMNS
    }
    shown |= {"BRAM36 of FIFOs": row["fifos"], "FIFO Kbit": f"{row['fifo bits'] / 1000:,.0f}"}
    return shown | {"feature maps, Kbit": f"{row['map bits'] / 1000:,.0f}"}
