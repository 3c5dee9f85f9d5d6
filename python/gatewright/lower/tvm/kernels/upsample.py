# SPDX-License-Identifier: Apache-2.0
"""Every token becomes several: a copy whose source token and channel are a matter of the position."""

from __future__ import annotations

from tvm import tirx

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, pointwise
from gatewright.ops.upsample import Upsample


def spell(emit: Emitter, op: Upsample, output: TensorType, x: Value) -> Value:
    """Copies of tokens, or the blocks of their channels."""
    down, across = op.scale
    columns = op.width * across

    def body(_: Expr, source: Buffer, target: Buffer) -> None:
        def element(t: Expr, c: Expr) -> Expr:
            row, column = tirx.floordiv(t, columns), tirx.floormod(t, columns)
            token = tirx.floordiv(row, down) * op.width + tirx.floordiv(column, across)
            if op.blocks:
                c = (c * down + tirx.floormod(row, down)) * across + tirx.floormod(column, across)
            return source[token, c]

        pointwise(target, element)

    return emit.result("upsample", body, [x], [], output)
