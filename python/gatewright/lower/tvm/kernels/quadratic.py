# SPDX-License-Identifier: Apache-2.0
"""Quadratic polynomial per channel."""

from __future__ import annotations

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, pointwise, saturated, shifted, word
from gatewright.ops.quadratic import Quadratic


def spell(emit: Emitter, op: Quadratic, output: TensorType, x: Value) -> Value:
    """Horner's rule."""
    *_, inner, whole = op.widths(x.form)
    wide = word(max(inner, whole, op.shift + 1) + max(0, -op.shift))
    constants = [v.astype(wide) for v in (op.square, op.slope, op.constant)]

    def body(_: Expr, source: Buffer, square: Buffer, slope: Buffer, constant: Buffer, target: Buffer) -> None:
        def element(t: Expr, c: Expr) -> Expr:
            v = source[t, c].astype(wide)
            moved = shifted((square[c] * v + slope[c]) * v + constant[c], op.shift, wide)
            return saturated(moved, op.output, wide).astype(target.dtype)

        pointwise(target, element)

    return emit.result("quadratic", body, [x], constants, output)
