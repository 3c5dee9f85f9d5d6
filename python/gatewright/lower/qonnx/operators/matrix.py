# SPDX-License-Identifier: Apache-2.0
"""Linear layers and convolutions: weights through a Quant node, product, bias, Quant node."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.fixed import Fixed, Ints
from gatewright.lower.qonnx.spelling import Call, spells
from gatewright.lower.qonnx.values import SEQUENCE, TOKENS, VECTOR, Form, Value
from gatewright.lower.qonnx.writer import SINGLE, Writer
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.ops.sparse_conv2d import SparseConv2d
from gatewright.ops.sparse_linear import SparseLinear


def sum_bits(x: Fixed, weight: Ints, bias: Ints, shift: Ints) -> int:
    """Bits of the largest sum with bias and half a step, in steps of the finest constant of its channel."""
    peak = max(-x.lo, x.hi)
    sums = [peak * int(s) + abs(int(b)) for s, b in zip(_row_sums(weight), bias, strict=True)]
    whole = [s + (1 << int(k) >> 1) if k > 0 else (s << 1 - int(k)) + 1 for s, k in zip(sums, shift, strict=True)]
    return max(whole).bit_length()


def _row_sums(weight: Ints) -> Ints:
    return np.asarray(np.abs(weight.reshape(len(weight), -1)).sum(axis=1), np.int64)


def weights(w: Writer, integers: Ints, frac: Ints, axis: int, width: int, kind: Any) -> str:
    """Real weights behind a Quant node with one scale for each output channel."""
    shape = [-1 if k == axis else 1 for k in range(integers.ndim)]
    scale = np.ldexp(np.ones(len(frac)), -frac).reshape(shape)
    real = w.constant(integers * scale, np.float32, "weight")
    return w.cast(w.quant(real, Fixed(width, 0), scale), kind)


def _finish(call: Call, sums: str, axis: int) -> str:
    """Bias, rounding and saturation; channels of `sums` are dimension `axis`."""
    w, op = call.writer, call.op
    if op.bias.any():
        real = np.ldexp(op.bias.astype(np.float64), -(_frac(call) + call.inputs[0].kind.fixed.frac))
        sums = w.binary("Add", sums, real.reshape([-1] + [1] * (len(w.shapes[sums]) - 1 - axis)))
    return w.quantize(sums, op.output, bool((op.shift > 0).any()))


def _frac(call: Call) -> Ints:
    """Binary point of the weights of each output channel."""
    return np.asarray(call.op.shift + call.op.output.frac - call.inputs[0].kind.fixed.frac, np.int64)


@spells(Linear, SparseLinear)
def linear(call: Call) -> Value:
    """MatMul; one product per channel where every channel is a group; else a convolution with kernel 1."""
    w, op, (x,) = call.writer, call.op, call.inputs
    fixed, frac = x.kind.fixed, _frac(call)
    bits = sum_bits(fixed, op.weight, op.bias, op.shift)
    if op.groups > 1 and op.weight.shape == (op.groups, 1):
        kind = w.kind(max(bits, fixed.width))
        shape = [-1] + [1] * (len(w.shapes[x.made]) - 1 - x.axis)
        weight = weights(w, op.weight[:, 0], frac, 0, op.weight_width, kind)
        made = w.cast(x.made, kind)
        sums = w.node("Mul", [made, w.reshape(weight, [op.groups, *shape[1:]])], w.shapes[made])
        return call.result(_finish(call, sums, x.axis), x.form)
    if op.groups > 1:
        kernel = op.weight[:, :, None]
        return call.result(_finish(call, _conv(call, x.at(SEQUENCE), kernel, bits, (call.tokens,), {}), 1), SEQUENCE)
    kind = w.kind(max(bits, fixed.width))
    form: Form = VECTOR if x.tokens == 1 else TOKENS
    made = w.cast(x.at(form), kind)
    weight = weights(w, op.weight.T, frac, 1, op.weight_width, kind)
    sums = w.node("MatMul", [made, weight], (*w.shapes[made][:-1], len(op.weight)))
    return call.result(_finish(call, sums, len(w.shapes[sums]) - 1), form)


def _conv(call: Call, x: str, kernel: Ints, bits: int, sizes: tuple[int, ...], geometry: dict[str, Any]) -> str:
    """Exact sums of a convolution, which ONNX Runtime has in float32 only.

    Sums beyond 24 bits are made of two convolutions, with the upper and the lower bits of the weights.
    """
    w, op, frac = call.writer, call.op, _frac(call)
    fixed = call.inputs[0].kind.fixed

    def one(integers: Ints, shift: int, width: int) -> str:
        weight = weights(w, integers, frac - shift, 0, width, np.float32)
        shape = (w.shapes[x][0], len(kernel), *sizes)
        return w.node("Conv", [x, weight], shape, group=op.groups, **geometry)

    if w.kinds[x] is not np.float32:
        raise w.refuse(f"a convolution of {fixed}", f"inputs of at most {SINGLE} bits", "use narrower activations")
    if bits <= SINGLE:
        return one(kernel, 0, op.weight_width)
    cut = op.weight_width // 2
    parts = [(kernel >> cut, cut), (kernel & ((1 << cut) - 1), 0)]
    peak = max(-fixed.lo, fixed.hi)
    worst = max(peak * int(_row_sums(p).max()) for p, _ in parts).bit_length()
    if worst > SINGLE:
        raise w.refuse(
            f"sums of {worst} bits, with weights in two parts",
            f"at most {SINGLE} bits",
            "use narrower weights or activations, or groups",
        )
    kind = w.kind(bits)
    high, low = (w.cast(one(p, s, op.weight_width + 1), kind) for p, s in parts)
    return w.node("Add", [high, low], w.shapes[high])


@spells(Conv1d)
def conv1d(call: Call) -> Value:
    """Conv over [N, C, L]."""
    op, (x,) = call.op, call.inputs
    left, right = (*op.padding, *op.padding)[:2]
    name = x.at(SEQUENCE)
    if op.circular:
        name, left, right = circular(call.writer, name, 2, left, right), 0, 0
    geometry = {"strides": list(op.stride), "dilations": list(op.dilation), "pads": [left, right]}
    bits = sum_bits(x.kind.fixed, op.weight, op.bias, op.shift)
    sums = _conv(call, name, op.weight, bits, (call.tokens,), geometry)
    return call.result(_finish(call, sums, 1), SEQUENCE)


@spells(Conv2d, SparseConv2d)
def conv2d(call: Call) -> Value:
    """Conv over [N, C, H, W]."""
    op, (x,) = call.op, call.inputs
    window = op.window()
    name = x.at((op.height, op.width))
    top, left, bottom, right = window.padding
    if op.circular:
        name = circular(call.writer, name, 2, top, bottom)
        name = circular(call.writer, name, 3, left, right)
        top = left = bottom = right = 0
    pads = [top, left, bottom, right]
    geometry = {"strides": list(op.stride), "dilations": list(op.dilation), "pads": pads}
    sizes = window.out_shape(op.height * op.width)
    bits = sum_bits(x.kind.fixed, op.weight, op.bias, op.shift)
    return call.result(_finish(call, _conv(call, name, op.weight, bits, sizes, geometry), 1), sizes)


def circular(w: Writer, x: str, axis: int, before: int, after: int) -> str:
    """`x` continued periodically along one dimension."""
    if not before and not after:
        return x
    shape = w.shapes[x]
    index = np.arange(-before, shape[axis] + after) % shape[axis]
    sizes = [len(index) if k == axis else n for k, n in enumerate(shape)]
    return w.node("Gather", [x, w.constant(index, np.int64, "index")], sizes, axis=axis)
