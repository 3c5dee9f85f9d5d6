# SPDX-License-Identifier: Apache-2.0
"""Convolution over an image that multiplies kept weights only: a window in front of the sparse unit."""

from __future__ import annotations

from gatewright.errors import FoldingError
from gatewright.graph import Folding, TensorType, most_tokens
from gatewright.lower.hls.kernel import Kernel
from gatewright.lower.hls.kernels._window import window_shape
from gatewright.lower.hls.kernels.sparse_linear import sparse_unit
from gatewright.ops.sparse_conv2d import SparseConv2d


def spell(op: SparseConv2d, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels into the window, SIMD by PE kept weights per cycle behind it."""
    if x.channels % folding.lanes:
        raise FoldingError("lanes", f"{folding.lanes} on {x.channels} channels", "a divisor")
    # The window hands out (tap, channel), whatever its lanes are.
    shape, widths, tables = sparse_unit(op.sparse(x.fixed, op.inner), folding)
    more = {"circular": int(op.window().circular), "most": most_tokens(x.tokens)}
    every = {**window_shape(op.window(), x.channels), **shape, **more}
    return Kernel("sparse_conv2d", every, (folding.lanes,), folding.pe, widths, tables)
