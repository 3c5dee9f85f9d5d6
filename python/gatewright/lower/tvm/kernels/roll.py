# SPDX-License-Identifier: Apache-2.0
"""Rotation of a sequence."""

from __future__ import annotations

from tvm import tirx

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, pointwise
from gatewright.ops.roll import Roll


def spell(emit: Emitter, op: Roll, output: TensorType, x: Value) -> Value:
    """A copy that starts `shift` tokens later."""

    def body(count: Expr, source: Buffer, target: Buffer) -> None:
        def element(t: Expr, c: Expr) -> Expr:
            return source[tirx.floormod(t + op.shift, count), c]

        pointwise(target, element)

    return emit.result("roll", body, [x], [], output)
