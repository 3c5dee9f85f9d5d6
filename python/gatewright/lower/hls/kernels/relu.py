# SPDX-License-Identifier: Apache-2.0
"""Rectified linear unit."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel
from gatewright.ops.relu import Relu


def spell(op: Relu, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle."""
    return Kernel("relu", {"channels": x.channels}, (folding.lanes,), folding.lanes)
