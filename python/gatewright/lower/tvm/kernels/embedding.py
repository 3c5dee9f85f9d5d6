# SPDX-License-Identifier: Apache-2.0
"""Rows of a table by token number, plus rows by position."""

from __future__ import annotations

from tvm import tirx

from gatewright.fixed import Fixed, Ints
from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Constant, Emitter, Value, storage
from gatewright.lower.tvm.tir import Buffer, Expr, lit, pointwise, saturated, word
from gatewright.ops.embedding import Embedding


def spell(emit: Emitter, op: Embedding, output: TensorType, x: Value) -> Value:
    """Token by token."""
    widths = op.widths()
    wide = word(max(widths[0] + op.table_shift, widths[1] + op.position_shift) + 1)
    constants = [_narrow(v, w) for v, w in zip((op.table, op.positions), widths, strict=True) if len(v)]

    def body(_: Expr, ids: Buffer, table: Buffer, *rest: Buffer) -> None:
        *positions, target = rest

        def element(t: Expr, c: Expr) -> Expr:
            row = tirx.min(ids[t, 0].astype("int64"), lit(len(op.table) - 1, "int64"))
            total = table[row, c].astype(wide) << lit(op.table_shift, wide)
            for places in positions:
                total = total + (places[t, c].astype(wide) << lit(op.position_shift, wide))
            return saturated(total, op.output, wide).astype(target.dtype)

        pointwise(target, element)

    return emit.result("embedding", body, [x], constants, output)


def _narrow(table: Ints, width: int) -> Constant:
    return table.astype(storage(Fixed(width, 0)))
