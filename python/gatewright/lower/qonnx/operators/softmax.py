# SPDX-License-Identifier: Apache-2.0
"""Softmax pooling: the integer exponential and reciprocal of `ops/_softmax.py`, written out."""

from __future__ import annotations

import numpy as np

from gatewright.lower.qonnx import exact
from gatewright.lower.qonnx.exact import KIND
from gatewright.lower.qonnx.spelling import Call, spells
from gatewright.lower.qonnx.values import TOKENS, Value
from gatewright.lower.qonnx.writer import Writer
from gatewright.ops import _softmax as softmax
from gatewright.ops.softmax_pool import SoftmaxPool


@spells(SoftmaxPool)
def softmax_pool(call: Call) -> Value:
    """Softmax with tables that Gather reads, two ReduceSums, their quotient by a reciprocal, and a Quant node."""
    w, op, (scores, values) = call.writer, call.op, call.inputs
    batch, tokens, heads = w.shapes[scores.at(TOKENS)]
    weight = _weights(w, op, scores)
    total = _sum(w, weight, (batch, 1, heads))
    exponent = exact.exponent(w, total, softmax.exponents(tokens)[1])
    factor = w.reshape(exact.reciprocal(w, total, exponent), (batch, 1, heads, 1))
    # Nothing of the product is lost, nor half a step of the result behind its shift.
    bits = softmax.weighted(values.kind.fixed, tokens).width + softmax.EXP_BITS + 1
    w.kind(max(bits, softmax.EXP_BITS + softmax.exponents(tokens)[1] + op.shift) + 1)
    split = (batch, tokens, heads, call.kind.channels // heads)
    each = w.reshape(w.cast(values.at(TOKENS), KIND), split)
    products = w.node("Mul", [each, w.reshape(weight, (batch, tokens, heads, 1))], split)
    sums = w.node("Mul", [_sum(w, products, (batch, 1, *split[2:])), factor], (batch, 1, *split[2:]))
    places = w.reshape(exact.power(w, exponent, 2 * softmax.EXP_BITS), (batch, 1, heads, 1))
    means = w.reshape(w.node("Mul", [sums, places], w.shapes[sums]), (batch, 1, call.kind.channels))
    return call.result(w.quantize(means, op.output, True))


def _weights(w: Writer, op: SoftmaxPool, scores: Value) -> str:
    """e of every score."""
    name, fixed = w.cast(scores.at(TOKENS), KIND), scores.kind.fixed
    batch, _, heads = w.shapes[name]
    # Halves of the shifted distance are exact.
    w.kind(max(fixed.width + op.scale.bit_length(), op.scale_shift) + 1)
    peak = w.node("ReduceMax", [name], (batch, 1, heads), axes=[1], keepdims=1)
    distance = w.node("Sub", [peak, name], w.shapes[name])
    octaves = exact.rounded(w, w.binary("Mul", distance, np.ldexp(float(op.scale), fixed.frac - op.scale_shift)))
    octaves = w.node("Min", [octaves, w.constant(float(softmax.U_MAX), KIND)], w.shapes[name])
    whole = exact.floor(w, w.binary("Mul", octaves, 2.0**-softmax.FRACTION))
    fraction = exact.minus(w, octaves, w.binary("Mul", whole, 2.0**softmax.FRACTION))
    line = exact.chord(w, fraction, softmax.exp_table(), softmax.FRACTION - softmax.EXP_SEGMENTS)
    return exact.rounded(w, w.node("Mul", [line, exact.power(w, whole, 0, 1 << softmax.OCTAVES)], w.shapes[line]))


def _sum(w: Writer, x: str, shape: tuple[int, ...]) -> str:
    """The sum over the tokens."""
    return w.node("ReduceSum", [x, w.constant(np.array([1]), np.int64, "axes")], shape, keepdims=1)
