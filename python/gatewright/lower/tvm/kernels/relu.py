# SPDX-License-Identifier: Apache-2.0
"""Rectified linear unit."""

from __future__ import annotations

from tvm import tirx

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, pointwise
from gatewright.ops.relu import Relu


def spell(emit: Emitter, op: Relu, output: TensorType, x: Value) -> Value:
    """Channel by channel; nothing to do on unsigned inputs."""
    if not x.form.signed:
        return x

    def body(_: Expr, source: Buffer, target: Buffer) -> None:
        pointwise(target, lambda t, c: tirx.max(source[t, c], lit(0, x.dtype)).astype(target.dtype))

    return emit.result("relu", body, [x], [], output)
