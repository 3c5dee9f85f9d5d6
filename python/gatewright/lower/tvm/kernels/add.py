# SPDX-License-Identifier: Apache-2.0
"""Sum of two streams."""

from __future__ import annotations

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, pointwise, saturated, shifted, word
from gatewright.ops.add import Add


def spell(emit: Emitter, op: Add, output: TensorType, a: Value, b: Value) -> Value:
    """Both aligned, summed, rounded."""
    wide = word(max(op.sum_width(a.form, b.form), op.shift + 1) + 1 + max(0, -op.shift))

    def body(_: Expr, first: Buffer, second: Buffer, target: Buffer) -> None:
        def element(t: Expr, c: Expr) -> Expr:
            parts = [
                shifted(v[t, c].astype(wide), -left, wide) for v, left in zip((first, second), op.left, strict=True)
            ]
            return saturated(shifted(parts[0] + parts[1], op.shift, wide), op.output, wide).astype(target.dtype)

        pointwise(target, element)

    return emit.result("add", body, [a, b], [], output)
