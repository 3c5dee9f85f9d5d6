# SPDX-License-Identifier: Apache-2.0
"""Aggregation over the edges of a graph."""

from __future__ import annotations

from tvm.tirx.script import builder as T

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, saturated, shifted, spread, word
from gatewright.ops.aggregate import Aggregate


def spell(emit: Emitter, op: Aggregate, output: TensorType, x: Value) -> Value:
    """Node by node: its edges one after another, all channels of a source at once."""
    channels = x.row[0]
    # Room for the half that rounds and for a shift to the left.
    sums = word(max(op.accumulator(x.form).width, op.shift + 1) + 1 + max(0, -op.shift))
    sources, coefficients, last = op.work()
    starts = (last.cumsum() - last).searchsorted(range(op.nodes + 1))
    constants = [v.astype("int32") for v in (starts, sources, coefficients)]

    def body(count: Expr, source: Buffer, first: Buffer, read: Buffer, factor: Buffer, target: Buffer) -> None:
        with spread(0, count) as t:
            found = T.alloc_buffer((channels,), sums, scope="local")
            with T.serial(0, channels) as c:
                T.buffer_store(found, lit(0, sums), [c])
            with T.serial(0, first[t + 1] - first[t]) as e:
                row = T.Bind(first[t] + e)
                with T.serial(0, channels) as c:
                    product = source[read[row], c].astype(sums) * factor[row].astype(sums)
                    T.buffer_store(found, found[c] + product, [c])
            with T.serial(0, channels) as c:
                y = saturated(shifted(found[c], op.shift, sums), op.output, sums)
                T.buffer_store(target, y.astype(target.dtype), [t, c])

    return emit.result("aggregate", body, [x], constants, output)
