# SPDX-License-Identifier: Apache-2.0
"""Aggregation over a graph: the product with a constant matrix from the left."""

from __future__ import annotations

import numpy as np

from gatewright.fixed import Fixed
from gatewright.lower.qonnx.spelling import Call, spells
from gatewright.lower.qonnx.values import TOKENS, Value
from gatewright.ops.aggregate import Aggregate


@spells(Aggregate)
def aggregate(call: Call) -> Value:
    """MatMul by [nodes, nodes] through a Quant node, and a Quant node."""
    w, op, (x,) = call.writer, call.op, call.inputs
    fixed = x.kind.fixed
    frac = op.shift + op.output.frac - fixed.frac
    integers = np.zeros((op.nodes, op.nodes), np.int64)
    np.add.at(integers, (op.targets, op.sources), op.coefficients)
    peak = max(-fixed.lo, fixed.hi) * int(np.abs(integers).sum(axis=1).max())
    kind = w.kind(((peak << max(0, -op.shift)) + (1 << max(0, op.shift - 1))).bit_length())
    # Several edges between the same two nodes are one here.
    width = max(op.coefficient_width, int(np.abs(integers).max()).bit_length() + 1)
    matrix = w.quant(w.constant(np.ldexp(integers.astype(float), -frac)), Fixed(width, frac), np.array(2.0**-frac))
    made = w.cast(x.at(TOKENS), kind)
    sums = w.node("MatMul", [w.cast(matrix, kind), made], w.shapes[made], kind)
    return call.result(w.quantize(sums, op.output, op.shift > 0), TOKENS)
