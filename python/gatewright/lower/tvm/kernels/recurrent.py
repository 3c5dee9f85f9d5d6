# SPDX-License-Identifier: Apache-2.0
"""Recurrence of LSTM and GRU: one core, token after token; tables hold every result of their function."""

from __future__ import annotations

import numpy as np
from tvm.tirx.script import builder as T

from gatewright.fixed import Fixed, Ints
from gatewright.graph import TensorType
from gatewright.lower.tvm.program import Emitter, Value, storage
from gatewright.lower.tvm.tir import Buffer, Expr, lit, saturated, shifted, word
from gatewright.ops._piecewise import integers
from gatewright.ops._recurrent import Cell
from gatewright.ops.pwl import Pwl
from gatewright.ops.recurrent import Recurrent

WIDE = "int64"


def spell(emit: Emitter, op: Recurrent, output: TensorType, x: Value) -> Value:
    """Per step all products of the last hidden vector, then the cell unit by unit."""
    size, rows = op.hidden, op.cell.gates * op.hidden
    unit = op.unit(op.hidden)
    sums = word(unit.accumulator.width)
    constants = [
        op.weight.astype(storage(Fixed(op.weight_width, 0))),
        *(v.astype(WIDE) for v in (op.bias, *_moves(op.shift))),
        _results(op.sigmoid, op.gate),
        _results(op.candidate or op.sigmoid, op.gate),
        _results(op.tanh, op.argument),
    ]

    def body(
        count: Expr, source: Buffer, weight: Buffer, bias: Buffer, left: Buffer, right: Buffer, half: Buffer,
        sigmoid: Buffer, candidate: Buffer, tanh: Buffer, target: Buffer,
    ) -> None:  # fmt: skip
        hidden, state = T.alloc_buffer((size,), sums), T.alloc_buffer((size,), WIDE)
        v, total = T.alloc_buffer((rows,), WIDE), T.alloc_buffer((1,), sums)
        with T.serial(0, size) as j:
            T.buffer_store(hidden, lit(0, sums), [j])
            T.buffer_store(state, lit(0, WIDE), [j])
        with T.serial(0, count) as t:
            with T.serial(0, rows) as o:
                T.buffer_store(total, lit(0, sums), [0])
                with T.serial(0, size) as j:
                    T.buffer_store(total, total[0] + weight[o, j].astype(sums) * hidden[j], [0])
                moved = (((total[0].astype(WIDE) + bias[o]) << left[o]) + half[o]) >> right[o]
                T.buffer_store(v, saturated(moved, op.product, WIDE), [o])
            with T.serial(0, size) as j:
                cell = _lstm if op.cell is Cell.LSTM else _gru
                u = [source[t, lit(k * size, "int64") + j].astype(WIDE) for k in range(op.cell.gates)]
                found, new = cell(
                    op, u, [v[k * size + j] for k in range(op.cell.gates)], state[j], sigmoid, candidate, tanh
                )
                T.buffer_store(state, new, [j])
                T.buffer_store(hidden, found.astype(sums), [j])
                T.buffer_store(target, found.astype(target.dtype), [lit(0, "int64") if op.final else t, j])

    return emit.result("recurrent", body, [x], constants, output)


def _moves(shift: Ints) -> tuple[Ints, Ints, Ints]:
    """Left shift, right shift, and the half that rounds the latter."""
    right = np.maximum(shift, 0)
    return np.maximum(-shift, 0), right, (np.int64(1) << right) >> 1


def _results(table: Pwl, form: Fixed) -> Ints:
    return table.evaluate(integers(form)).astype(storage(table.output))


def _look_up(table: Buffer, index: Expr, form: Fixed) -> Expr:
    return table[(index - lit(form.lo, WIDE)).astype("int32")].astype(WIDE)


def _rounded(value: Expr, shift: int, to: Fixed) -> Expr:
    return T.Bind(saturated(shifted(value, shift, WIDE), to, WIDE))


def _lstm(
    op: Recurrent, u: list[Expr], v: list[Expr], state: Expr, sigmoid: Buffer, candidate: Buffer, tanh: Buffer
) -> tuple[Expr, Expr]:
    """Hidden unit and cell."""
    to = op.shifts
    tables = (sigmoid, candidate, sigmoid, sigmoid)
    i, g, f, o = (
        T.Bind(_look_up(t, _rounded(a + b, op.gate_shift, op.gate), op.gate))
        for t, a, b in zip(tables, u, v, strict=True)
    )
    total = ((f * state) << lit(to.state_align, WIDE)) + ((i * g) << lit(to.act_align, WIDE))
    new = _rounded(total, to.state, op.state)
    t = _look_up(tanh, _rounded(new, to.argument, op.argument), op.argument)
    return _rounded(o * t, to.output, op.output), new


def _gru(
    op: Recurrent, u: list[Expr], v: list[Expr], state: Expr, sigmoid: Buffer, candidate: Buffer, tanh: Buffer
) -> tuple[Expr, Expr]:
    """Hidden unit as it goes round, and at the width of the state."""
    to, act = op.shifts, op.activation.frac
    r, z = (T.Bind(_look_up(sigmoid, _rounded(u[k] + v[k], op.gate_shift, op.gate), op.gate)) for k in range(2))
    mixed = _rounded((u[2] << lit(act, WIDE)) + r * v[2], to.argument, op.argument)
    n = T.Bind(_look_up(tanh, mixed, op.argument))
    gap = (state << lit(to.state_align, WIDE)) - (n << lit(to.act_align, WIDE))
    new = _rounded((n << lit(to.act_align + act, WIDE)) + z * gap, to.state, op.state)
    return _rounded(new, to.output, op.output), new
