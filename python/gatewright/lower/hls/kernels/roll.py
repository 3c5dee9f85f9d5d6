# SPDX-License-Identifier: Apache-2.0
"""Rotation of a sequence."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel
from gatewright.ops.roll import Roll


def spell(op: Roll, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle."""
    return Kernel("roll", {"channels": x.channels, "shift": op.shift}, (folding.lanes,), folding.lanes)
