# SPDX-License-Identifier: Apache-2.0
"""Convolutions: patches in memory, then the matrix unit."""

from __future__ import annotations

from tvm.tirx.script import builder as T

from gatewright.graph import TensorType
from gatewright.lower.tvm.kernels._matrix import matrix
from gatewright.lower.tvm.kernels._window import tap, taps
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, spread
from gatewright.ops._conv import _Convolution

ALIGN = 4
"""Products that a dot product sums: patches are filled up to it."""


def spell(emit: Emitter, op: _Convolution, output: TensorType, x: Value) -> Value:
    """Both convolutions."""
    window, inner = op.window(), op.inner
    per_group = window.taps * inner
    # Several groups lie next to each other; a single one has room to spare at its end.
    row = per_group * op.groups if op.groups > 1 else -(-per_group // ALIGN) * ALIGN

    def body(count: Expr, source: Buffer, target: Buffer) -> None:
        zero = lit(0, x.dtype)
        with spread(0, target.shape[0]) as position:
            for k, at in enumerate(taps(window)):
                with T.serial(0, op.groups) as group, T.serial(0, inner) as i:
                    value = tap(window, count, source, position, at, group * inner + i, zero)
                    T.buffer_store(target, value, [position, group * per_group + k * inner + i])
            if row > per_group * op.groups:
                with T.serial(per_group, row) as i:
                    T.buffer_store(target, zero, [position, i])

    patches = emit.call("patches", body, [x], [], output.tokens, (row,), x.dtype, x.fixed)
    return matrix(emit, op.matrix(x.form), patches, output)
