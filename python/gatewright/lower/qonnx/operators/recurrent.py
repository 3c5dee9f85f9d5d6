# SPDX-License-Identifier: Apache-2.0
"""A recurrence, unrolled step by step: ONNX's own LSTM and GRU round nowhere inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.fixed import Fixed, requantize
from gatewright.lower.qonnx.operators.elementwise import entries
from gatewright.lower.qonnx.operators.matrix import sum_bits, weights
from gatewright.lower.qonnx.spelling import Call, spells
from gatewright.lower.qonnx.values import TOKENS, VECTOR, Value
from gatewright.ops._recurrent import Cell
from gatewright.ops.recurrent import Recurrent

MOST_STEPS = 16
"""Every step is some thirty nodes; the reference execution's time grows with the square of their number, 4 s here."""


@spells(Recurrent)
def recurrent(call: Call) -> Value:
    """Per step a MatMul of the last hidden vector, tables by Gather, products, and a Quant node for each rounding."""
    w, op, (x,) = call.writer, call.op, call.inputs
    unrolled = _Unrolled(call)
    source, found = x.at(TOKENS), list[str]()
    batch, tokens, channels = w.shapes[source]
    if tokens > MOST_STEPS:
        hint = "export a shorter length, or run the executors tvm or hls"
        raise w.refuse(f"a recurrence unrolled over {tokens} steps", f"at most {MOST_STEPS}", hint)
    for k in range(tokens):
        at = w.constant(np.array(k), np.int64, "step")
        found.append(unrolled.step(w.node("Gather", [source, at], (batch, channels), axis=1)))
    if op.final:
        return call.result(found[-1], VECTOR)
    rows = [w.reshape(h, (batch, 1, op.hidden)) for h in found]
    return call.result(w.node("Concat", rows, (batch, tokens, op.hidden), axis=1) if tokens > 1 else rows[0])


class _Unrolled:
    """Steps in a row, with the constants that they share; the first one begins with zeros.

    Every sum and product is exact in `kind`, in steps of the finest of its operands, and half a step more.
    """

    def __init__(self, call: Call) -> None:
        self.w, self.op, self.x = call.writer, call.op, call.inputs[0].kind.fixed
        w, op = self.w, self.op
        bits = sum_bits(op.output, op.weight, op.bias, op.shift)
        self.wide = w.kind(max(bits, op.product.width + 1))
        frac = op.shift + op.product.frac - op.output.frac
        self.weight = weights(w, op.weight.T, frac, 1, op.weight_width, self.wide)
        self.bias = np.ldexp(op.bias.astype(np.float64), -(frac + op.output.frac))
        self.kind = w.kind(max(op.width(self.x), self.x.width + 2, op.state.width, op.argument.width) + 1)
        self.sigmoid = entries(w, op.sigmoid, op.gate)
        self.candidate = entries(w, op.candidate, op.gate) if op.candidate is not None else ""
        self.tanh = entries(w, op.tanh, op.argument)
        self.hidden = ""
        self.state = w.constant(np.zeros((1, op.hidden)), self.kind, "state")

    def step(self, u: str) -> str:
        """The hidden vector of the next step.

        Args:
            u: [N, gates * hidden], the input's part of the preactivations.
        """
        self.hidden = (self._lstm if self.op.cell is Cell.LSTM else self._gru)(u, self._product())
        return self.hidden

    def _product(self) -> str:
        """v = W h + b."""
        w, op = self.w, self.op
        if not self.hidden:
            first = op.product.dequantize(requantize(op.bias, op.shift, op.product))
            return w.constant(first[None], self.kind, "first")
        hidden = w.cast(self.hidden, self.wide)
        sums = w.node("MatMul", [hidden, self.weight], (w.shapes[hidden][0], len(op.bias)))
        return self._rounded(w.binary("Add", sums, self.bias), op.product, bool((op.shift > 0).any()))

    def _lstm(self, u: str, v: str) -> str:
        w, op, to = self.w, self.op, self.op.shifts
        argument = self._rounded(self._add(u, v), op.gate, op.gate_shift > 0)
        # Gates come as i, g, f, o.
        gates = self._looked_up(self._part(argument, [0, 2, 3]), op.gate, self.sigmoid)
        i, f, o = (self._part(gates, [k]) for k in range(3))
        fresh = self._looked_up(self._part(argument, [1]), op.gate, self.candidate)
        sums = self._add(self._multiply(f, self.state), self._multiply(i, fresh))
        self.state = self._rounded(sums, op.state, to.state > 0)
        last = self._looked_up(self._rounded(self.state, op.argument, to.argument > 0), op.argument, self.tanh)
        return w.quantize(self._multiply(o, last), op.output, to.output > 0)

    def _gru(self, u: str, v: str) -> str:
        w, op, to = self.w, self.op, self.op.shifts
        both = self._add(self._part(u, [0, 1]), self._part(v, [0, 1]))
        gates = self._looked_up(self._rounded(both, op.gate, op.gate_shift > 0), op.gate, self.sigmoid)
        sums = self._add(self._part(u, [2]), self._multiply(self._part(gates, [0]), self._part(v, [2])))
        n = self._looked_up(self._rounded(sums, op.argument, to.argument > 0), op.argument, self.tanh)
        gap = w.node("Sub", [self._in_kind(self.state), n], w.shapes[n])
        sums = self._add(n, self._multiply(self._part(gates, [1]), gap))
        self.state = self._rounded(sums, op.state, to.state > 0)
        return w.quantize(self.state, op.output, to.output > 0)

    # Nodes

    def _in_kind(self, x: str) -> str:
        return self.w.cast(x, self.kind)

    def _rounded(self, x: str, form: Fixed, rounds: bool) -> str:
        return self._in_kind(self.w.quantize(x, form, rounds))

    def _looked_up(self, x: str, form: Fixed, rows: str) -> str:
        return self._in_kind(self.w.looked_up(x, form, rows))

    def _part(self, x: str, gates: Sequence[int]) -> str:
        """Some of the gates of [N, gates * hidden]."""
        w, size = self.w, self.op.hidden
        index = np.concatenate([np.arange(size) + g * size for g in gates])
        shape = (w.shapes[x][0], len(index))
        return self._in_kind(w.node("Gather", [x, w.constant(index, np.int64, "index")], shape, axis=1))

    def _add(self, a: str, b: str) -> str:
        return self.w.node("Add", [self._in_kind(a), self._in_kind(b)], self.w.shapes[a])

    def _multiply(self, a: str, b: str) -> str:
        return self.w.node("Mul", [self._in_kind(a), self._in_kind(b)], self.w.shapes[a])
