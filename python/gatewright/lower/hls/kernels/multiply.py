# SPDX-License-Identifier: Apache-2.0
"""Product of two streams."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops.multiply import Multiply


def spell(op: Multiply, folding: Folding, a: TensorType, b: TensorType) -> Kernel:
    """Lanes of channels per cycle."""
    bits = wide("multiply", op.product_width(a.fixed, b.fixed), op.shift)
    return Kernel("multiply", {}, (folding.lanes,) * 2, folding.lanes, {"wide": bits}, {"shift": table(op.shift)})
