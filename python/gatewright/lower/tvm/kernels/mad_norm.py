# SPDX-License-Identifier: Apache-2.0
"""Normalisation of every token by its mean absolute deviation."""

from __future__ import annotations

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.graph import TensorType
from gatewright.lower.tvm.kernels import _softmax
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, saturated, spread
from gatewright.ops._softmax import EXP_BITS
from gatewright.ops.mad_norm import MadNorm, levels

WIDE = "int64"


def spell(emit: Emitter, op: MadNorm, output: TensorType, x: Value) -> Value:
    """Three passes over a token: its sum, its deviation, its channels."""
    channels = x.row[0]
    constants = [
        *_softmax.tables(),
        *(v.astype(WIDE) for v in (op.gamma, op.rounded_beta)),
        np.array([op.epsilon], WIDE),
    ]
    assert max(op.widths(TensorType(x.tokens, channels, x.form)).values()) <= 62

    def body(count: Expr, source: Buffer, *buffers: Buffer) -> None:
        *chords, gamma, beta, epsilon, target = buffers
        tables = _softmax.Tables(*chords)
        with spread(0, count) as t:
            total, deviation = (T.alloc_buffer((1,), WIDE, scope="local") for _ in range(2))
            T.buffer_store(total, lit(0, WIDE), [0])
            with T.serial(0, channels) as c:
                T.buffer_store(total, total[0] + source[t, c].astype(WIDE), [0])

            def centre(c: Expr) -> Expr:
                return source[t, c].astype(WIDE) * lit(channels, WIDE) - total[0]

            T.buffer_store(deviation, epsilon[0], [0])
            with T.serial(0, channels) as c:
                T.buffer_store(deviation, deviation[0] + tirx.abs(centre(c)), [0])
            divisor = T.Bind(tirx.max(deviation[0], lit(1, WIDE)) << lit(EXP_BITS, WIDE))
            exponent, r = tables.divisor(divisor)
            half = T.Bind(tirx.max(exponent - lit(EXP_BITS + levels(channels), WIDE), lit(0, WIDE)))
            with T.serial(0, channels) as c:
                z = (centre(c) * r + (lit(1, WIDE) << half)) >> (half + lit(1, WIDE))
                y = (z * gamma[c] + beta[c]) >> lit(op.shift, WIDE)
                T.buffer_store(target, saturated(y, op.output, WIDE).astype(target.dtype), [t, c])

    return emit.result("mad_norm", body, [x], constants, output)
