# SPDX-License-Identifier: Apache-2.0
"""Mean of a sliding window."""

from __future__ import annotations

from gatewright.graph import TensorType
from gatewright.lower.tvm.kernels._window import tap, taps
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, pointwise, saturated, shifted, word
from gatewright.ops._reciprocal import divider
from gatewright.ops.average_pool import AveragePool


def spell(emit: Emitter, op: AveragePool, output: TensorType, x: Value) -> Value:
    """Sum, times the reciprocal of the count."""
    window = op.window()
    factor, fraction = divider(window.taps)
    shift = fraction + op.shift
    bits = x.form.width + 1 + (window.taps - 1).bit_length() + factor.bit_length()
    wide = word(max(bits, shift + 1) + 1 + max(0, -shift))

    def body(count: Expr, source: Buffer, target: Buffer) -> None:
        fill = lit(0, x.dtype)

        def element(t: Expr, c: Expr) -> Expr:
            found, *others = (tap(window, count, source, t, at, c, fill).astype(wide) for at in taps(window))
            for one in others:
                found = found + one
            return saturated(shifted(found * lit(factor, wide), shift, wide), op.output, wide).astype(target.dtype)

        pointwise(target, element)

    return emit.result("average_pool", body, [x], [], output)
