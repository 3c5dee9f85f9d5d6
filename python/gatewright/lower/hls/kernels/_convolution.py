# SPDX-License-Identifier: Apache-2.0
"""Convolutions: a window in front of the matrix unit."""

from __future__ import annotations

from gatewright.errors import FoldingError
from gatewright.graph import Folding, TensorType, most_tokens
from gatewright.lower.hls.kernel import Kernel
from gatewright.lower.hls.kernels._window import window_shape
from gatewright.lower.hls.kernels.linear import matrix_unit
from gatewright.ops._conv import _Convolution


def convolution(op: _Convolution, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels into the window, SIMD by PE products per cycle behind it."""
    if x.channels % folding.lanes:
        raise FoldingError("lanes", f"{folding.lanes} on {x.channels} channels", "a divisor")
    # The window hands out (tap, channel of the group), whatever its lanes are.
    shape, widths, tables = matrix_unit(op.matrix(x.fixed), folding)
    window = window_shape(op.window(), x.channels, op.groups)
    more = {"circular": int(op.window().circular), "most": most_tokens(x.tokens), "simd": folding.simd}
    return Kernel(op.name(), {**window, **shape, **more}, (folding.lanes,), folding.pe, widths, tables)
