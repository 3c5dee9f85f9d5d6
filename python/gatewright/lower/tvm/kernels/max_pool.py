# SPDX-License-Identifier: Apache-2.0
"""Maximum of a sliding window."""

from __future__ import annotations

from tvm import tirx

from gatewright.graph import TensorType
from gatewright.lower.tvm.kernels._window import tap, taps
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, pointwise
from gatewright.ops.max_pool import MaxPool


def spell(emit: Emitter, op: MaxPool, output: TensorType, x: Value) -> Value:
    """Padding reads the least integer of the format, which never wins against a real token."""
    window = op.window()

    def body(count: Expr, source: Buffer, target: Buffer) -> None:
        fill = lit(x.form.lo, x.dtype)

        def element(t: Expr, c: Expr) -> Expr:
            found, *others = (tap(window, count, source, t, at, c, fill) for at in taps(window))
            for one in others:
                found = tirx.max(found, one)
            return found

        pointwise(target, element)

    return emit.result("max_pool", body, [x], [], output)
