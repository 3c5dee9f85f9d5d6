# SPDX-License-Identifier: Apache-2.0
"""Activation functions: a table of all results where inputs are narrow, else the lines themselves."""

from __future__ import annotations

import numpy as np

from gatewright.fixed import enclosing
from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value, storage
from gatewright.lower.tvm.tir import Buffer, Expr, lit, pointwise, saturated, shifted, word
from gatewright.ops._piecewise import integers
from gatewright.ops.pwl import Pwl

TABLE_BITS = 12
"""Widest input whose results are all tabulated: the table stays in the first-level cache."""


def spell(emit: Emitter, op: Pwl, output: TensorType, x: Value) -> Value:
    """A look-up, or segment by comparisons and one multiplication."""
    return _looked_up(emit, op, output, x) if x.form.width <= TABLE_BITS else _lines(emit, op, output, x)


def _looked_up(emit: Emitter, op: Pwl, output: TensorType, x: Value) -> Value:
    results = op.evaluate(integers(x.form)).astype(storage(op.output))

    def body(_: Expr, source: Buffer, table: Buffer, target: Buffer) -> None:
        pointwise(target, lambda t, c: table[source[t, c].astype("int32") - x.form.lo])

    return emit.result("pwl_table", body, [x], [results], output)


def _lines(emit: Emitter, op: Pwl, output: TensorType, x: Value) -> Value:
    table = op.table
    wide = word(max(table.widths(x.form)[2] + 1, op.shift + 1))
    near = word(enclosing(min(x.form.lo, -1), x.form.hi, 0).width)
    constants = [op.knots.astype(near), op.slopes.astype(wide), op.offsets.astype(wide)]
    if not len(op.knots):
        # A buffer is never empty.
        constants[0] = np.zeros(1, near)

    def body(_: Expr, source: Buffer, knots: Buffer, slopes: Buffer, offsets: Buffer, target: Buffer) -> None:
        def element(t: Expr, c: Expr) -> Expr:
            value, segment = source[t, c].astype(near), lit(0, "int32")
            for j in range(len(op.knots)):
                segment = segment + (knots[j] <= value).astype("int32")
            total = slopes[segment] * value.astype(wide) + offsets[segment]
            return saturated(shifted(total, op.shift, wide), op.output, wide).astype(target.dtype)

        pointwise(target, element)

    return emit.result("pwl_lines", body, [x], constants, output)
