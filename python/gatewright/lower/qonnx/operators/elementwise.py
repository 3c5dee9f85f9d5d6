# SPDX-License-Identifier: Apache-2.0
"""Operators that work element by element, joins, and look-ups."""

from __future__ import annotations

import numpy as np

from gatewright.fixed import Fixed, Ints
from gatewright.lower.qonnx.spelling import Call, spells
from gatewright.lower.qonnx.values import TOKENS, Value
from gatewright.lower.qonnx.writer import Writer
from gatewright.ops.add import Add
from gatewright.ops.concat import Concat
from gatewright.ops.embedding import Embedding
from gatewright.ops.multiply import Multiply
from gatewright.ops.pwl import Pwl
from gatewright.ops.quadratic import Quadratic
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape
from gatewright.ops.roll import Roll

MOST_TABLE_BITS = 16
"""Widest input of a function that becomes a table with one entry per integer."""


@spells(Relu)
def relu(call: Call) -> Value:
    """Relu; the result has one bit less, which needs no node."""
    w, (x,) = call.writer, call.inputs
    return call.result(w.narrowed(w.node("Relu", [x.made], w.shapes[x.made]), call.kind.fixed), x.form)


@spells(Requantize)
def requantize(call: Call) -> Value:
    """A Quant node."""
    w, (x,) = call.writer, call.inputs
    # In steps of the finer of both binary points.
    bits = x.kind.fixed.width + 1 + max(0, 1 - call.op.shift)
    wide = w.cast(x.made, w.kind(max(bits, call.op.output.width)))
    return call.result(w.quantize(wide, call.op.output, call.op.shift > 0), x.form)


@spells(Reshape)
def reshape(call: Call) -> Value:
    """Reshape of [N, tokens, channels]."""
    w, (x,) = call.writer, call.inputs
    name = x.at(TOKENS)
    return call.result(w.reshape(name, (w.shapes[name][0], call.tokens, call.kind.channels)))


def _alike(call: Call) -> tuple[str, str, Value]:
    """Both inputs as the first was made."""
    a, b = call.inputs
    return a.made, b.at(a.form), a


def _combined(call: Call, name: str, width: int) -> Value:
    """An ONNX node of both inputs whose exact result has `width` bits, and a Quant node."""
    w, op = call.writer, call.op
    left, right, first = _alike(call)
    # Half a step of the output and its own steps may be finer than the steps of the result.
    kind = w.kind(width + 1 + max(0, 1 - op.shift))
    made = w.node(name, [w.cast(left, kind), w.cast(right, kind)], w.shapes[left])
    return call.result(w.quantize(made, op.output, op.shift > 0), first.form)


@spells(Add)
def add(call: Call) -> Value:
    """Add and a Quant node."""
    return _combined(call, "Add", call.op.sum_width(*(x.kind.fixed for x in call.inputs)))


@spells(Multiply)
def multiply(call: Call) -> Value:
    """Mul and a Quant node."""
    return _combined(call, "Mul", call.op.product_width(*(x.kind.fixed for x in call.inputs)))


@spells(Concat)
def concat(call: Call) -> Value:
    """Concat along the channels."""
    w = call.writer
    left, right, first = _alike(call)
    shape = list(w.shapes[left])
    shape[first.axis] = call.kind.channels
    return call.result(w.node("Concat", [left, right], shape, axis=first.axis), first.form)


@spells(Quadratic)
def quadratic(call: Call) -> Value:
    """(square x + slope) x + constant and a Quant node."""
    w, op, (x,) = call.writer, call.op, call.inputs
    fixed = x.kind.fixed
    frac = op.shift + op.output.frac - 2 * fixed.frac
    kind = w.kind(op.widths(fixed)[3] + 1 + max(0, 1 - op.shift))
    made = w.cast(x.made, kind)
    form = [-1] + [1] * (len(w.shapes[made]) - 1 - x.axis)

    def real(integers: Ints, point: int) -> np.ndarray:  # type: ignore[type-arg]
        return np.ldexp(integers.astype(np.float64), -point).reshape(form)

    inner = w.binary("Add", w.binary("Mul", made, real(op.square, frac)), real(op.slope, frac + fixed.frac))
    product = w.node("Mul", [inner, made], w.shapes[made])
    whole = w.binary("Add", product, real(op.constant, frac + 2 * fixed.frac))
    return call.result(w.quantize(whole, op.output, op.shift > 0), x.form)


@spells(Roll)
def roll(call: Call) -> Value:
    """Gather of all tokens, the first ones last."""
    w, (x,) = call.writer, call.inputs
    name = x.at(TOKENS)
    index = w.constant(np.roll(np.arange(call.tokens), -call.op.shift), np.int64, "index")
    return call.result(w.node("Gather", [name, index], w.shapes[name], axis=1), TOKENS)


@spells(Pwl)
def pwl(call: Call) -> Value:
    """A table with one entry for every integer of the input."""
    w, (x,) = call.writer, call.inputs
    fixed = x.kind.fixed
    return call.result(w.looked_up(x.made, fixed, entries(w, call.op, fixed)), x.form)


def entries(w: Writer, table: Pwl, form: Fixed) -> str:
    """The results of a function for every integer of `form`, the least one first, as a constant."""
    if form.width > MOST_TABLE_BITS:
        raise w.refuse(f"a table over {form.width} bits", f"at most {MOST_TABLE_BITS}")
    values = table.evaluate(np.arange(form.lo, form.hi + 1, dtype=np.int64))
    return w.constant(np.ldexp(values.astype(np.float64), -table.output.frac), w.kind(table.output.width), "table")


@spells(Embedding)
def embedding(call: Call) -> Value:
    """Gather of the table's rows, plus those of the positions, saturated as golden does it."""
    w, op, (x,) = call.writer, call.op, call.inputs
    name = x.at(TOKENS)
    batch, tokens, _ = w.shapes[name]
    last = w.constant(np.array(len(op.table) - 1), np.int64)
    ids = w.cast(w.reshape(name, (batch, tokens)), np.int64)
    rows = w.node("Min", [ids, last], (batch, tokens))
    entries, places = op.table << op.table_shift, op.positions[:tokens] << op.position_shift
    peak = int(np.abs(entries).max(initial=0)) + int(np.abs(places).max(initial=0))
    kind = w.kind(max(peak.bit_length() + 1, op.output.width))
    table = w.constant(np.ldexp(entries.astype(np.float64), -op.output.frac), kind, "table")
    sums = w.node("Gather", [table, rows], (batch, tokens, call.kind.channels), axis=0)
    if len(op.positions):
        sums = w.binary("Add", sums, np.ldexp(places.astype(np.float64), -op.output.frac))
    return call.result(w.quantize(sums, op.output, False))
