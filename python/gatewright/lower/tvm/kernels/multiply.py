# SPDX-License-Identifier: Apache-2.0
"""Product of two streams."""

from __future__ import annotations

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, pointwise, saturated, shifted, word
from gatewright.ops.multiply import Multiply


def spell(emit: Emitter, op: Multiply, output: TensorType, a: Value, b: Value) -> Value:
    """Multiplied, rounded, saturated."""
    wide = word(max(op.product_width(a.form, b.form), op.shift + 1) + 1 + max(0, -op.shift))

    def body(_: Expr, first: Buffer, second: Buffer, target: Buffer) -> None:
        def element(t: Expr, c: Expr) -> Expr:
            product = first[t, c].astype(wide) * second[t, c].astype(wide)
            return saturated(shifted(product, op.shift, wide), op.output, wide).astype(target.dtype)

        pointwise(target, element)

    return emit.result("multiply", body, [a, b], [], output)
