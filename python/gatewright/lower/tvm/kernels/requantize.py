# SPDX-License-Identifier: Apache-2.0
"""Change of format."""

from __future__ import annotations

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, pointwise, saturated, shifted, word
from gatewright.ops.requantize import Requantize


def spell(emit: Emitter, op: Requantize, output: TensorType, x: Value) -> Value:
    """Channel by channel."""
    wide = word(max(x.form.width + 1, op.shift) + 1 + max(0, -op.shift))

    def body(_: Expr, source: Buffer, target: Buffer) -> None:
        def element(t: Expr, c: Expr) -> Expr:
            moved = shifted(source[t, c].astype(wide), op.shift, wide)
            return saturated(moved, op.output, wide).astype(target.dtype)

        pointwise(target, element)

    return emit.result("requantize", body, [x], [], output)
