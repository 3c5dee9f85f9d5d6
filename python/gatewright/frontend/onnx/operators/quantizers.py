# SPDX-License-Identifier: Apache-2.0
"""Quantizers of ONNX (QuantizeLinear, DequantizeLinear) and of QONNX (Quant, BipolarQuant).

A power-of-two scale with zero point 0 is a fixed-point format and is taken exactly. Golden rounds halves up; a
quantizer that rounds them otherwise (to even, or away from zero) differs there and nowhere else.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from gatewright.frontend.onnx.model import Array, Node
from gatewright.frontend.onnx.patterns import HALF_UP
from gatewright.frontend.onnx.recorder import Recorder
from gatewright.frontend.onnx.register import Batch, lowers
from gatewright.frontend.onnx.tensor import Tensor
from gatewright.graph import ROUNDINGS

MODES = {"ROUND": "half_even", "HALF_EVEN": "half_even", "HALF_UP": "half_away", HALF_UP: "half_up", "FLOOR": "floor"}
"""QONNX rounding modes: what `ROUNDINGS` calls them."""
HINT = "train with scales restricted to powers of two, or pass recalibrate=True"


def _exact(scale: Array) -> bool:
    """Whether all scales are powers of two."""
    return bool(np.all(scale > 0) and np.all(np.frexp(scale)[0] == 0.5))


def _powers(b: Recorder, scale: Array) -> bool:
    """True for powers of two; False where others are to be chosen anew; else a refusal."""
    if _exact(scale):
        return True
    if not b.options.recalibrate:
        wrong = scale.reshape(-1)[np.frexp(scale.reshape(-1))[0] != 0.5]
        b.refuse("scale", f"{wrong[0]:.6g}", "a power of two", HINT)
    return False


def _one(b: Recorder, name: str, value: Array) -> float:
    """The one number that an array holds."""
    flat = np.asarray(value, np.float64).reshape(-1)
    if not np.all(flat == flat[0]):
        b.refuse(name, f"{flat.size} different values", "one for all channels of a run-time tensor")
    return float(flat[0])


def fake(b: Recorder, x: Tensor, scale: float, low: int, high: int, rounding: str) -> Tensor:
    """Round to multiples of `scale` from `low` to `high` of them."""
    import gatewright.nn.fake_quantize  # noqa: F401 - registers the call

    if rounding == "floor":
        # floor(v) = round half up of v - 1/2
        x, rounding = b.affine(x, np.ones(()), np.asarray(-scale / 2)), "half_up"

    args = {"x": x, "scale": scale, "zero_point": 0, "quant_min": low, "quant_max": high, "rounding": rounding}
    return b.call("gatewright.fake_quantize.default", args)


def _range(b: Recorder, low: int, high: int) -> bool:
    """True for the range of a fixed-point format; False where others are to be chosen anew; else a refusal."""
    bits = (high - low).bit_length()
    if (low, high) in ((0, (1 << bits) - 1), (-(1 << bits - 1), (1 << bits - 1) - 1)):
        return True
    if not b.options.recalibrate:
        b.refuse(
            "range",
            f"{low} to {high}",
            "0 to 2**bits - 1, or -2**(bits - 1) to 2**(bits - 1) - 1",
            "use the full range (narrow = 0) and zero point 0 for activations, or pass recalibrate=True",
        )
    return False


def _grid(b: Recorder, integers: Array, scale: Array, bits: int) -> Array:
    """The constant `integers * scale`; the output of the node is on a grid unless it is to be chosen anew."""
    if _powers(b, scale):
        b.grids[b.node.outputs[0]] = bits
    return np.asarray(integers * scale, np.float64)


# ONNX


def _along(node: Node, scale: Array, rank: int) -> Array:
    """Scales or zero points, one or one per channel, so that they broadcast."""
    if scale.size == 1 or scale.ndim != 1:
        return scale.reshape(()) if scale.size == 1 else scale
    axis = node.get("axis", 1) % rank
    return scale.reshape([-1 if k == axis else 1 for k in range(rank)])


def _form(node: Node, b: Recorder) -> tuple[float, int, int, int]:
    """(scale, zero point, low, high) of a quantizer on a run-time tensor."""
    point = np.asarray(b.constant(2, np.zeros((), np.uint8)))
    if point.dtype.kind not in "iu":
        b.refuse("y_zero_point", f"type {point.dtype}", "an integer type")
    span = np.iinfo(point.dtype)
    return _one(b, "scale", b.reals(1)), int(_one(b, "zero_point", point)), int(span.min), int(span.max)


@lowers("QuantizeLinear", batch=Batch.ANYWHERE)
def quantize_linear(node: Node, b: Recorder) -> Tensor | Array:
    """Power-of-two scale and zero point 0, in front of DequantizeLinear."""
    if not isinstance(b.value(0), Tensor):
        from onnx.reference import ReferenceEvaluator

        named = {n: b.constant(k) for k, n in enumerate(node.inputs) if n}
        return np.asarray(ReferenceEvaluator(node.proto).run(None, named)[0])
    x, form = b.tensor(0), _form(node, b)
    scale, point, low, high = form
    if _powers(b, np.array(scale)) and _range(b, low - point, high - point):
        x = fake(b, x, scale, low - point, high - point, "half_even")
    return dataclasses.replace(x, form=form)


@lowers("DequantizeLinear", batch=Batch.ANYWHERE)
def dequantize_linear(node: Node, b: Recorder) -> Tensor | Array:
    """Of constants with power-of-two scales and zero point 0, one or one per channel; or behind QuantizeLinear."""
    x = b.value(0)
    if isinstance(x, Tensor):
        if x.form is None:
            b.refuse("input", "computed by an operator on integers", "the result of QuantizeLinear")
        if x.form[:2] != _form(node, b)[:2]:
            b.refuse("scale, zero_point", _form(node, b)[:2], f"{x.form[:2]}, as in QuantizeLinear")
        return dataclasses.replace(x, form=None)
    scale = _along(node, b.reals(1), x.ndim)
    point = _along(node, np.asarray(b.constant(2, np.zeros((), np.int64)), np.int64), x.ndim)
    return _grid(b, x.astype(np.float64) - point, scale, x.dtype.itemsize * 8)


# QONNX


@lowers("Quant", "IntQuant", batch=Batch.ANYWHERE)
def quant(node: Node, b: Recorder) -> Tensor | Array:
    """Power-of-two scale, zero point 0, any width, one per channel for constants; ROUND, HALF_UP or FLOOR."""
    bits = int(_one(b, "bitwidth", b.constant(3)))
    signed, narrow = bool(node.get("signed", 1)), bool(node.get("narrow", 0))
    mode = str(node.get("rounding_mode", "ROUND")).upper()
    if mode not in MODES:
        b.refuse("rounding_mode", mode, ", ".join(m for m in MODES if m != HALF_UP))
    rounding = MODES[mode]
    low = -(1 << bits - 1) + narrow if signed else 0
    high = (1 << bits - signed) - 1 - (narrow and not signed)
    scale, point = b.reals(1), b.reals(2)
    if not isinstance(b.value(0), Tensor):
        steps = b.reals(0) / scale + point
        if bits == 1 and signed:
            return _grid(b, np.where(steps >= 0, 1.0, -1.0), scale, 2)
        return _grid(b, ROUNDINGS[rounding](np.clip(steps, low, high)) - point, scale, bits)
    if bits == 1 and signed:
        b.refuse("bitwidth", "1, signed: -1 or 1", "1 bit for constants, 2 and up for run-time tensors")
    x, step, zero = b.tensor(0), _one(b, "scale", scale), int(_one(b, "zeropt", point))
    if not (_powers(b, np.array(step)) and _range(b, low - zero, high - zero)):
        return x
    if not signed and rounding == "half_away":
        # Without negative numbers the two are one.
        rounding = "half_up"
    return fake(b, x, step, low - zero, high - zero, rounding)


@lowers("BipolarQuant")
def bipolar(node: Node, b: Recorder) -> Tensor | Array:
    """Of constants, with power-of-two scales."""
    if isinstance(b.value(0), Tensor):
        b.refuse("input", "a run-time tensor", "constants; a run-time tensor has no sign operator")
    return _grid(b, np.where(b.reals(0) >= 0, 1.0, -1.0), b.reals(1), 2)
