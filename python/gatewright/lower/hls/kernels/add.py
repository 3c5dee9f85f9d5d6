# SPDX-License-Identifier: Apache-2.0
"""Sum of two streams."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops.add import Add


def spell(op: Add, folding: Folding, a: TensorType, b: TensorType) -> Kernel:
    """Lanes of channels per cycle."""
    bits = op.sum_width(a.fixed, b.fixed)
    tables = {"left": table(op.left), "shift": table(op.shift)}
    return Kernel("add", {}, (folding.lanes,) * 2, folding.lanes, {"wide": wide("add", bits, op.shift)}, tables)
