# SPDX-License-Identifier: Apache-2.0
"""Normalisation of every token."""

from __future__ import annotations

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, saturated, spread, word
from gatewright.ops import _rsqrt
from gatewright.ops.layer_norm import FRACTION, LayerNorm

WIDE = "int64"


def spell(emit: Emitter, op: LayerNorm, output: TensorType, x: Value) -> Value:
    """Two passes over a token: its sums, then its channels."""
    channels = x.row[0]
    size = op.widths(TensorType(x.tokens, channels, x.form))
    peak = max(-x.form.lo, x.form.hi)
    sums = word((channels * peak * peak).bit_length() + 1)
    nodes = [v.astype("int32") for v in _rsqrt.nodes()]
    constants = [*nodes, *(v.astype(WIDE) for v in (op.gamma, op.rounded_beta)), np.array([op.epsilon], WIDE)]
    assert max(size.values()) <= 62

    def body(
        count: Expr,
        source: Buffer,
        left: Buffer,
        fall: Buffer,
        gamma: Buffer,
        beta: Buffer,
        epsilon: Buffer,
        target: Buffer,
    ) -> None:
        with spread(0, count) as t:
            found = [T.alloc_buffer((1,), sums, scope="local") for _ in range(2)]
            for one in found:
                T.buffer_store(one, lit(0, sums), [0])
            with T.serial(0, channels) as c:
                value = source[t, c].astype(sums)
                T.buffer_store(found[0], found[0][0] + value, [0])
                T.buffer_store(found[1], found[1][0] + value * value, [0])
            total, squares = (one[0].astype(WIDE) for one in found)
            if not op.centred:
                total = lit(0, WIDE)
            total = T.Bind(total)
            variance = T.Bind(lit(channels, WIDE) * squares - total * total + epsilon[0])
            root, half = _root(variance, left, fall)
            shift = T.Bind(half + (_rsqrt.FRACTION - FRACTION))
            rounding = T.Bind(lit(1, WIDE) << (shift - 1))
            with T.serial(0, channels) as c:
                centre = source[t, c].astype(WIDE) * lit(channels, WIDE) - total
                z = (centre * root + rounding) >> shift
                y = (z * gamma[c] + beta[c]) >> lit(op.shift, WIDE)
                T.buffer_store(target, saturated(y, op.output, WIDE).astype(target.dtype), [t, c])

    return emit.result("layer_norm", body, [x], constants, output)


def _root(v: Expr, left: Buffer, fall: Buffer) -> tuple[Expr, Expr]:
    """(r, half) of `_rsqrt.rsqrt`."""

    def c(value: int) -> Expr:
        return lit(value, WIDE)

    kept = _rsqrt.INDEX + _rsqrt.TAIL
    wide = T.Bind(tirx.max(v, c(1)))
    leading = T.Bind(c(63) - tirx.clz(wide).astype(WIDE))
    zero = c(0)
    top = T.Bind((wide >> tirx.max(leading - c(kept), zero)) << tirx.max(c(kept) - leading, zero))
    row = T.Bind(((leading & c(1)) << c(_rsqrt.INDEX)) | ((top >> c(_rsqrt.TAIL)) & c((1 << _rsqrt.INDEX) - 1)))
    tail = (top & c((1 << _rsqrt.TAIL) - 1)) * c(2) + c(1)
    fine = left[row].astype(WIDE) - ((fall[row].astype(WIDE) * tail) >> c(_rsqrt.TAIL + 1))
    return T.Bind((fine + c(1 << (_rsqrt.GUARD - 1))) >> c(_rsqrt.GUARD)), T.Bind(leading >> c(1))
