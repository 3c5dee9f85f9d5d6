# SPDX-License-Identifier: Apache-2.0
"""Operators that work element by element, and sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewright.frontend.onnx.model import Node
from gatewright.frontend.onnx.recorder import Recorder
from gatewright.frontend.onnx.register import Batch, lowers
from gatewright.frontend.onnx.tensor import Tensor


@lowers("Relu", batch=Batch.ANYWHERE)
def relu(node: Node, b: Recorder) -> Tensor:
    """Any input."""
    return b.call("aten.relu.default", {"self": b.tensor(0)})


@lowers("Clip", batch=Batch.ANYWHERE)
def clip(node: Node, b: Recorder) -> Tensor:
    """min = 0 without max, 0 to 6, or -1 to 1."""
    x = b.tensor(0)
    low, high = (
        float(np.asarray(b.constant(k, node.get(n, d))).reshape(-1)[0])
        for k, n, d in ((1, "min", -np.inf), (2, "max", np.inf))
    )
    # Exporters spell "no bound" as the largest float.
    most = float(np.finfo(np.float32).max)
    if low == 0 and high >= most:
        return b.call("aten.relu.default", {"self": x})
    if (low, high) == (0, 6):
        return b.call("aten.relu6.default", {"self": x})
    if (low, high) == (-1, 1):
        return b.call("aten.hardtanh.default", {"self": x, "min_val": -1, "max_val": 1})
    b.refuse("min, max", (low, high), "0 and none, 0 and 6, -1 and 1")


def _table(op: str, target: str) -> None:
    def run(node: Node, b: Recorder) -> Tensor:
        return b.call(f"aten.{target}.default", {"self": b.tensor(0)})

    run.__doc__ = "Any input, as a piecewise-linear table."
    lowers(op, batch=Batch.ANYWHERE)(run)


for _op in ("Sigmoid", "Tanh", "Exp", "Softplus", "HardSwish", "Mish"):
    _table(_op, _op.lower())


@lowers("Gelu", batch=Batch.ANYWHERE)
def gelu(node: Node, b: Recorder) -> Tensor:
    """approximate = none or tanh, as a piecewise-linear table; also where it is spelled with Erf."""
    approximate = b.only("approximate", "none", "tanh")
    return b.call("aten.gelu.default", {"self": b.tensor(0), "approximate": approximate})


@lowers("Swish", batch=Batch.ANYWHERE)
def swish(node: Node, b: Recorder) -> Tensor:
    """alpha = 1, as a piecewise-linear table; also where it is spelled x * Sigmoid(x)."""
    b.only("alpha", 1.0)
    return b.call("aten.silu.default", {"self": b.tensor(0)})


@lowers("HardSigmoid", batch=Batch.ANYWHERE)
def hard_sigmoid(node: Node, b: Recorder) -> Tensor:
    """Any alpha and beta, as a piecewise-linear table."""
    x, alpha, beta = b.tensor(0), float(node.get("alpha", 0.2)), float(node.get("beta", 0.5))
    if abs(alpha - 1 / 6) > 1e-6 or beta != 0.5:
        # clip(alpha x + beta, 0, 1) = hardsigmoid(6 alpha x + 6 beta - 3), whose own slope is 1/6 and offset 1/2.
        x = b.affine(x, np.asarray(6 * alpha), np.asarray(6 * beta - 3))
    return b.call("aten.hardsigmoid.default", {"self": x})


def _pair(b: Recorder) -> tuple[Any, Any]:
    """Both inputs: a run-time tensor or a constant in float64."""
    found = [b.tensor(k) if isinstance(b.value(k), Tensor) else b.reals(k) for k in (0, 1)]
    return found[0], found[1]


@lowers("Add", "Sum", batch=Batch.ANYWHERE)
def add(node: Node, b: Recorder) -> Tensor:
    """Two run-time tensors of one shape, or a constant per channel."""
    if len(node.inputs) != 2:
        b.refuse("inputs", len(node.inputs), "2")
    x, y = _pair(b)
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        if x.shape != y.shape:
            b.refuse("inputs", f"shapes {list(x.shape)} and {list(y.shape)}", "equal shapes")
        return b.call("aten.add.Tensor", {"self": x, "other": y})
    return b.affine(x, np.ones(()), y) if isinstance(x, Tensor) else b.affine(y, np.ones(()), x)


@lowers("Sub", batch=Batch.ANYWHERE)
def sub(node: Node, b: Recorder) -> Tensor:
    """A run-time tensor and a constant per channel."""
    x, y = _pair(b)
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        b.refuse("inputs", "two run-time tensors", "one of them constant")
    return b.affine(x, np.ones(()), -y) if isinstance(x, Tensor) else b.affine(y, -np.ones(()), x)


@lowers("Mul", batch=Batch.ANYWHERE)
def mul(node: Node, b: Recorder) -> Tensor:
    """Two run-time tensors of one shape, or a constant per channel."""
    x, y = _pair(b)
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        if x.name == y.name:
            return b.quadratic(x, np.ones(()), np.zeros(()), np.zeros(()))
        if x.shape != y.shape:
            hint = "one factor per sequence or channel that is computed at run time is not supported"
            b.refuse("inputs", f"shapes {list(x.shape)} and {list(y.shape)}", "equal shapes", hint)
        return b.call("aten.mul.Tensor", {"self": x, "other": y})
    return b.affine(x, y, np.zeros(())) if isinstance(x, Tensor) else b.affine(y, x, np.zeros(()))


@lowers("Div", batch=Batch.ANYWHERE)
def div(node: Node, b: Recorder) -> Tensor:
    """A run-time tensor by a constant per channel."""
    x, y = _pair(b)
    if not isinstance(x, Tensor) or isinstance(y, Tensor):
        b.refuse("B", "computed at run time", "a constant divisor")
    if not np.all(y):
        b.refuse("B", 0, "divisors other than 0")
    return b.affine(x, 1 / y, np.zeros(()))


@lowers("Neg")
def neg(node: Node, b: Recorder) -> Tensor:
    """Any input."""
    return b.affine(b.tensor(0), -np.ones(()), np.zeros(()))


@lowers("Pow")
def power(node: Node, b: Recorder) -> Tensor:
    """Exponent 2."""
    exponent = b.reals(1)
    if exponent.size != 1 or exponent.reshape(-1)[0] != 2:
        b.refuse("Y", exponent.tolist(), "2")
    return b.quadratic(b.tensor(0), np.ones(()), np.zeros(()), np.zeros(()))


def _norm(target: str) -> Callable[[Node, Recorder], Tensor]:
    def run(node: Node, b: Recorder) -> Tensor:
        x = b.tensor(0)
        rank = len(x.shape)
        if node.get("axis", -1) % rank != rank - 1:
            b.refuse("axis", node.get("axis"), "-1, the last dimension")
        if any(o in b.model.readers for o in node.outputs[1:]):
            b.refuse("outputs", "mean or deviation that is read", "the normalised values only")
        eps = float(np.float32(node.get("epsilon", 1e-5)))
        weight, bias = b.reals(1), b.reals(2)
        for name, array in (("Scale", weight), ("B", bias)):
            if array is not None and array.shape != (x.shape[-1],):
                b.refuse(name, f"shape {list(array.shape)}", f"[{x.shape[-1]}]")
        args: dict[str, Any] = {"input": x, "normalized_shape": [x.shape[-1]], "weight": weight, "eps": eps}
        args |= {"bias": bias, "cudnn_enable": False} if target == "layer_norm" else {}
        return b.call(f"aten.{target}.default", args)

    run.__doc__ = "Over the last dimension, axis = -1; also where it is spelled with ReduceMean, Sub, Pow, Sqrt, Div."
    return run


lowers("LayerNormalization")(_norm("layer_norm"))
_rms = _norm("rms_norm")
_rms.__doc__ = "Over the last dimension, axis = -1."
lowers("RMSNormalization")(_rms)
