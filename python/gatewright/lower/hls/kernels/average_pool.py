# SPDX-License-Identifier: Apache-2.0
"""Mean of a window."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.lower.hls.kernels._window import window_shape
from gatewright.ops._reciprocal import divider
from gatewright.ops.average_pool import AveragePool


def spell(op: AveragePool, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle and tap."""
    taps = op.window().taps
    factor, fraction = divider(taps)
    bits = x.fixed.width + 1 + (taps - 1).bit_length() + factor.bit_length()
    shift = fraction + op.shift
    return Kernel(
        "average_pool",
        {**window_shape(op.window(), x.channels), "factor": factor},
        (folding.lanes,),
        folding.lanes,
        {"wide": wide("average_pool", bits, shift)},
        {"shift": table(shift)},
    )
