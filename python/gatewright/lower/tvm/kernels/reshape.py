# SPDX-License-Identifier: Apache-2.0
"""Regrouping of a stream: a copy in the same order."""

from __future__ import annotations

from tvm import tirx

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, pointwise
from gatewright.ops.reshape import Reshape


def spell(emit: Emitter, op: Reshape, output: TensorType, x: Value) -> Value:
    """The same channels in the same order."""
    if op.channels == x.row[0]:
        return x

    def body(_: Expr, source: Buffer, target: Buffer) -> None:
        def element(t: Expr, c: Expr) -> Expr:
            place = t * op.channels + c
            return source[tirx.floordiv(place, x.row[0]), tirx.floormod(place, x.row[0])]

        pointwise(target, element)

    return emit.result("reshape", body, [x], [], output)
