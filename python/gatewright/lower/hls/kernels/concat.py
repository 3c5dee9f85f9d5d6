# SPDX-License-Identifier: Apache-2.0
"""Channels of two streams side by side."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel
from gatewright.ops.concat import Concat


def spell(op: Concat, folding: Folding, a: TensorType, b: TensorType) -> Kernel:
    """Lanes of channels per cycle."""
    lanes = folding.lanes
    return Kernel("concat", {"beats_a": a.channels // lanes, "beats_b": b.channels // lanes}, (lanes, lanes), lanes)
