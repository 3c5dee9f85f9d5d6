# SPDX-License-Identifier: Apache-2.0
"""Aggregation over the edges of a graph."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops.aggregate import Aggregate


def spell(op: Aggregate, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of an edge per cycle, after all tokens have come."""
    sources, coefficients, last = op.work()
    shape = {"nodes": op.nodes, "channels": x.channels, "rows": op.rows}
    widths = {"wide": wide("aggregate", op.accumulator(x.fixed).width, op.shift)}
    tables = {"source": sources, "coefficient": coefficients, "ends": last, "shift": op.shift}
    lanes = folding.lanes
    return Kernel("aggregate", shape, (lanes,), lanes, widths, {n: table(v) for n, v in tables.items()})
