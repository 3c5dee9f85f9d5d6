# SPDX-License-Identifier: Apache-2.0
"""Mean of all tokens, weighted by the softmax of their scores."""

from __future__ import annotations

from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.graph import TensorType, most_tokens
from gatewright.lower.tvm.kernels._softmax import WIDE, Tables, tables
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, saturated, spread, word
from gatewright.ops import _softmax as softmax
from gatewright.ops.softmax_pool import SoftmaxPool


def spell(emit: Emitter, op: SoftmaxPool, output: TensorType, scores: Value, values: Value) -> Value:
    """Two passes over the tokens, head by head: the greatest score, then weights and sums."""
    dim = values.row[0] // op.heads
    sums_type = word(softmax.weighted(values.form, most_tokens(values.tokens)).width)

    def body(count: Expr, score: Buffer, value: Buffer, *rest: Buffer) -> None:
        *constants, target = rest
        found = Tables(*constants)
        with spread(0, op.heads) as head:
            start = T.Bind(head * dim)
            peak, total = (T.alloc_buffer((1,), WIDE, scope="local") for _ in range(2))
            sums = T.alloc_buffer((dim,), sums_type, scope="local")
            T.buffer_store(peak, score[0, head].astype(WIDE), [0])
            T.buffer_store(total, lit(0, WIDE), [0])
            with T.serial(1, count) as t:
                T.buffer_store(peak, tirx.max(peak[0], score[t, head].astype(WIDE)), [0])
            with T.serial(0, dim) as c:
                T.buffer_store(sums, lit(0, sums_type), [c])
            with T.serial(0, count) as t:
                weight = found.weight(peak[0] - score[t, head].astype(WIDE), op.scale, op.scale_shift)
                T.buffer_store(total, total[0] + weight, [0])
                with T.serial(0, dim) as c:
                    product = weight.astype(sums_type) * value[t, start + c].astype(sums_type)
                    T.buffer_store(sums, sums[c] + product, [c])
            exponent, factor = found.divisor(T.Bind(total[0]))
            shift = T.Bind(exponent + (softmax.EXP_BITS + op.shift))
            with T.serial(0, dim) as c:
                result = (sums[c].astype(WIDE) * factor + (lit(1, WIDE) << (shift - 1))) >> shift
                T.buffer_store(target, saturated(result, op.output, WIDE).astype(target.dtype), [0, start + c])

    return emit.result("softmax_pool", body, [scores, values], tables(), output)
