# SPDX-License-Identifier: Apache-2.0
"""Largest value of a window."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel
from gatewright.lower.hls.kernels._window import window_shape
from gatewright.ops.max_pool import MaxPool


def spell(op: MaxPool, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle and tap."""
    shape = window_shape(op.window(), x.channels, fill=x.fixed.lo)
    return Kernel("max_pool", shape, (folding.lanes,), folding.lanes)
