# SPDX-License-Identifier: Apache-2.0
"""Change of format."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops.requantize import Requantize


def spell(op: Requantize, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle."""
    widths = {"wide": wide("requantize", x.fixed.width + 1, op.shift)}
    return Kernel(
        "requantize",
        {"channels": x.channels},
        (folding.lanes,),
        folding.lanes,
        widths,
        {"shift": table(op.shift)},
    )
