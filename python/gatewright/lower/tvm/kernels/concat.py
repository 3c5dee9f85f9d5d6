# SPDX-License-Identifier: Apache-2.0
"""Concatenation along the channels."""

from __future__ import annotations

from tvm.tirx.script import builder as T

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, spread
from gatewright.ops.concat import Concat


def spell(emit: Emitter, op: Concat, output: TensorType, a: Value, b: Value) -> Value:
    """Channels of the first input, then of the second."""

    def body(count: Expr, first: Buffer, second: Buffer, target: Buffer) -> None:
        with spread(0, count) as t:
            for source, start in ((first, 0), (second, a.row[0])):
                with T.serial(0, source.shape[1]) as c:
                    T.buffer_store(target, source[t, c], [t, start + c])

    return emit.result("concat", body, [a, b], [], output)
