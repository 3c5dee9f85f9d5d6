# SPDX-License-Identifier: Apache-2.0
"""Every token becomes several."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel
from gatewright.ops.upsample import Upsample


def spell(op: Upsample, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of output channels per cycle."""
    lanes, parts = folding.lanes, op.parts
    shape = {
        "chunks": x.channels // parts // lanes,
        "columns": op.width if op.scale[0] > 1 else 1,
        "scale_h": op.scale[0],
        "scale_w": op.scale[1],
        "parts": parts,
    }
    return Kernel("upsample", shape, (lanes * parts,), lanes)
