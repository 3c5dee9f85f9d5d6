# SPDX-License-Identifier: Apache-2.0
"""Normalisation by the mean absolute deviation: sums and a reciprocal from a table, all exact in float64."""

from __future__ import annotations

import numpy as np

from gatewright.lower.qonnx import exact
from gatewright.lower.qonnx.exact import KIND
from gatewright.lower.qonnx.spelling import Call, spells
from gatewright.lower.qonnx.values import TOKENS, Value
from gatewright.lower.qonnx.writer import Writer
from gatewright.ops._softmax import EXP_BITS
from gatewright.ops.mad_norm import MadNorm, levels


@spells(MadNorm)
def mad_norm(call: Call) -> Value:
    """Sums over the channels, the reciprocal of the second one by its table, and a Quant node."""
    w, op, (x,) = call.writer, call.op, call.inputs
    size, channels = op.widths(x.kind), x.kind.channels
    # Halves of what is rounded are exact, and so are those of the result.
    w.kind(max(size["scaled"], size["sum"] + max(0, 1 - op.shift)) + 1)
    steps = w.binary("Mul", w.cast(x.at(TOKENS), KIND), 2.0**x.kind.fixed.frac)
    centre = w.node("Sub", [w.binary("Mul", steps, float(channels)), _sum(w, steps)], w.shapes[steps])
    spread = _sum(w, w.node("Abs", [centre], w.shapes[centre]))
    # Of a constant token the centre is 0, whatever it is divided by.
    sums = w.node("Max", [w.binary("Add", spread, float(op.epsilon)), w.constant(1.0, KIND)], w.shapes[spread])
    divisor = w.binary("Mul", sums, 2.0**EXP_BITS)
    exponent = exact.exponent(w, divisor, size["deviation"] - 1 + EXP_BITS)
    factor = exact.reciprocal(w, divisor, exponent)
    halves = 2.0 ** -(1.0 + np.maximum(np.arange(size["deviation"]) - levels(channels), 0))
    product = w.node("Mul", [centre, factor], w.shapes[centre])
    scaled = w.node("Mul", [product, exact.look_up(w, exponent, halves)], w.shapes[centre])
    z = exact.rounded(w, scaled)
    point = -(op.shift + op.output.frac)
    gained = w.binary("Mul", z, np.ldexp(op.gamma.astype(KIND), point))
    whole = w.binary("Add", gained, np.ldexp(op.beta.astype(KIND), point))
    return call.result(w.quantize(whole, op.output, op.shift > 0), TOKENS)


def _sum(w: Writer, x: str) -> str:
    """The sum over the channels."""
    axes = w.constant(np.array([2]), np.int64, "axes")
    return w.node("ReduceSum", [x, axes], (*w.shapes[x][:2], 1), keepdims=1)
