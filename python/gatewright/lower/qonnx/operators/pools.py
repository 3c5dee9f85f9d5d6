# SPDX-License-Identifier: Apache-2.0
"""Pooling over windows and over all tokens."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.lower.qonnx.spelling import Call, spells
from gatewright.lower.qonnx.values import SEQUENCE, TOKENS, Form, Value
from gatewright.lower.qonnx.writer import SINGLE
from gatewright.ops._reciprocal import divider, fraction_bits, reciprocal
from gatewright.ops.average_pool import AveragePool
from gatewright.ops.global_pool import GlobalPool, Kind
from gatewright.ops.max_pool import MaxPool


def _geometry(op: MaxPool | AveragePool, tokens: int) -> tuple[Form, Form, tuple[int, ...], dict[str, Any]]:
    """Form of input and output, spatial sizes of the output, and attributes."""
    window = op.window()
    rows, columns = window.out_shape(tokens)
    top, left, bottom, right = window.padding
    if op.height is None or op.width is None:
        return SEQUENCE, SEQUENCE, (columns,), {"strides": list(op.stride), "pads": [left, right]}
    geometry = {"strides": list(op.stride), "pads": [top, left, bottom, right]}
    return (op.height, op.width), (rows, columns), (rows, columns), geometry


@spells(MaxPool)
def max_pool(call: Call) -> Value:
    """MaxPool."""
    w, op, (x,) = call.writer, call.op, call.inputs
    entry, exit, sizes, geometry = _geometry(op, x.tokens)
    half = len(op.kernel)
    if any(p >= k for p, k in zip(geometry["pads"], (*op.kernel, *op.kernel)[: 2 * half], strict=True)):
        raise w.refuse(f"padding {geometry['pads']}", f"less than the kernel {list(op.kernel)}, as ONNX Runtime has it")
    name = x.at(entry)
    attributes: dict[str, Any] = {"kernel_shape": list(op.kernel), "dilations": list(op.dilation), **geometry}
    return call.result(w.node("MaxPool", [name], (*w.shapes[name][:2], *sizes), **attributes), exit)


@spells(AveragePool)
def average_pool(call: Call) -> Value:
    """The window's sum by a convolution with ones, the reciprocal as a constant, and a Quant node."""
    w, op, (x,) = call.writer, call.op, call.inputs
    entry, exit, sizes, geometry = _geometry(op, x.tokens)
    taps, fixed = op.window().taps, x.kind.fixed
    factor, fraction = divider(taps)
    bits = (taps * max(-fixed.lo, fixed.hi)).bit_length()
    if bits > SINGLE:
        raise w.refuse(f"sums of {bits} bits", f"at most {SINGLE}", "use narrower activations")
    ones = w.constant(np.ones((x.kind.channels, 1, *op.kernel)), np.float32, "ones")
    name = x.at(entry)
    shape = (*w.shapes[name][:2], *sizes)
    sums = w.node("Conv", [name, ones], shape, group=x.kind.channels, **geometry)
    # Half a step of the output may be finer than the product.
    room = max(0, 1 - op.shift - fraction)
    wide = w.cast(sums, w.kind(bits + factor.bit_length() + room + 1))
    mean = w.binary("Mul", wide, factor * 2.0**-fraction)
    return call.result(w.quantize(mean, op.output, True), exit)


@spells(GlobalPool)
def global_pool(call: Call) -> Value:
    """ReduceMax; or the sum, the reciprocal of this number of tokens as a constant, and a Quant node."""
    w, op, (x,) = call.writer, call.op, call.inputs
    name = x.at(TOKENS)
    shape = (w.shapes[name][0], 1, x.kind.channels)
    if op.kind is Kind.MAX:
        return call.result(w.node("ReduceMax", [name], shape, axes=[1], keepdims=1))
    fixed, fraction = x.kind.fixed, fraction_bits(op.most)
    factor = reciprocal(x.tokens, fraction)
    bits = (x.tokens * max(-fixed.lo, fixed.hi)).bit_length()
    room = max(0, 1 - op.shift - fraction)
    wide = w.cast(name, w.kind(bits + factor.bit_length() + room + 1))
    sums = w.node("ReduceSum", [wide, w.constant(np.array([1]), np.int64, "axes")], shape, keepdims=1)
    mean = w.binary("Mul", sums, factor * 2.0**-fraction)
    return call.result(w.quantize(mean, op.output, True))
