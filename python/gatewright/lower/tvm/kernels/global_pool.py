# SPDX-License-Identifier: Apache-2.0
"""Maximum or mean over all tokens."""

from __future__ import annotations

from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.graph import TensorType, most_tokens
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, saturated, shifted, word
from gatewright.ops._reciprocal import fraction_bits
from gatewright.ops.global_pool import GlobalPool, Kind


def spell(emit: Emitter, op: GlobalPool, output: TensorType, x: Value) -> Value:
    """One pass over the tokens; the reciprocal of their count is divided out at run time."""
    mean = op.kind is Kind.AVERAGE
    sums = word(x.form.width + 1 + (most_tokens(x.tokens) - 1).bit_length())

    def body(count: Expr, source: Buffer, target: Buffer) -> None:
        channels = x.row[0]
        found = T.alloc_buffer((channels,), sums)
        with T.serial(0, channels) as c:
            T.buffer_store(found, source[0, c].astype(sums), [c])
        with T.serial(1, count) as t, T.serial(0, channels) as c:
            value = source[t, c].astype(sums)
            T.buffer_store(found, found[c] + value if mean else tirx.max(found[c], value), [c])
        with T.serial(0, channels) as c:
            result = _divided(op, count, found[c].astype("int64")) if mean else found[c]
            T.buffer_store(target, result.astype(target.dtype), [0, c])

    return emit.result("global_pool", body, [x], [], output)


def _divided(op: GlobalPool, count: Expr, total: Expr) -> Expr:
    fraction = fraction_bits(op.most)
    tokens = lit(count, "int64") if isinstance(count, int) else count
    factor = (tirx.floordiv(lit(2 << fraction, "int64"), tokens) + lit(1, "int64")) >> lit(1, "int64")
    return saturated(shifted(total * factor, fraction + op.shift, "int64"), op.output, "int64")
