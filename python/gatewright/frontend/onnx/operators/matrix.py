# SPDX-License-Identifier: Apache-2.0
"""Matrix products, convolutions and batch normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewright.frontend.onnx.model import Array, Node
from gatewright.frontend.onnx.operators.windows import padded, sides
from gatewright.frontend.onnx.recorder import Recorder
from gatewright.frontend.onnx.register import Batch, lowers
from gatewright.frontend.onnx.tensor import Tensor


def weights(b: Recorder, index: int) -> Array:
    """A constant matrix or kernel; remembers when a quantizer made it."""
    found: Array = b.reals(index)
    bits = b.grids.get(b.node.inputs[index])
    if bits is not None:
        b.trained[b.node.name] = bits
    return found


@lowers("Gemm")
def gemm(node: Node, b: Recorder) -> Tensor:
    """`alpha A B + beta C` with constant B and C; transA = 0."""
    b.only("transA", 0)
    x, weight = b.tensor(0), weights(b, 1)
    weight = weight if node.get("transB", 0) else weight.T
    bias = b.reals(2)
    if bias is not None:
        try:
            bias = np.broadcast_to(node.get("beta", 1.0) * bias, (1, len(weight)))[0].copy()
        except ValueError:
            b.refuse("C", f"shape {list(bias.shape)}", f"one value per output, [{len(weight)}]")
    scaled = node.get("alpha", 1.0) * weight
    return b.call("aten.linear.default", {"input": x, "weight": scaled, "bias": bias})


@lowers("MatMul", batch=Batch.READ)
def matmul(node: Node, b: Recorder) -> Tensor:
    """A run-time tensor by a constant matrix from the right, or from the left as over the nodes of a graph.

    Attention is one call, gatewright.nn.TopKAttention.
    """
    if isinstance(b.value(0), Tensor) and isinstance(b.value(1), Tensor):
        b.refuse(
            "inputs",
            "two run-time tensors",
            "a constant right matrix; attention as one call, gatewright.nn.TopKAttention",
            "import the PyTorch model and convert it with gatewright.nn.sparsify",
        )
    if not isinstance(b.value(0), Tensor) and isinstance(b.value(1), Tensor):
        return _from_the_left(b)
    turned, weight = b.tensor(0), weights(b, 1)
    if weight.ndim != 2:
        b.refuse("B", f"shape {list(weight.shape)}", "a matrix [in, out]")
    # The last dimension is what it looks at: the result lies as the input does.
    x = turned.plain if turned.channels_last else b.first(turned, "input A")
    found = b.call("aten.linear.default", {"input": x, "weight": weight.T, "bias": None})
    return found.turned(turned.order) if x.name == turned.name else found


def _from_the_left(b: Recorder) -> Tensor:
    """The tokens [N, L, C] are nodes of a graph, and what is not 0 in a matrix [L, L] are its edges."""
    import gatewright.nn.aggregate  # noqa: F401 - registers the call

    matrix, x = weights(b, 0), b.first(b.tensor(1), "input B")
    if len(x.shape) != 3 or matrix.shape != (x.shape[1], x.shape[1]):
        b.refuse("A", f"shape {list(matrix.shape)} on {list(x.shape)}", "a square matrix [L, L] on [N, L, C]")
    targets, sources = np.nonzero(matrix)
    starts = np.searchsorted(targets, np.arange(len(matrix) + 1))
    parts = {"starts": starts, "sources": sources, "coefficients": matrix[targets, sources]}
    return b.call("gatewright.aggregate.default", {"x": x} | parts | {"capacity": 0, "degree": 0})


@lowers("Conv")
def conv(node: Node, b: Recorder) -> Tensor:
    """Over sequences and images, with constant kernel: strides, dilations, groups, any padding with zeros."""
    x, weight, bias = b.tensor(0), weights(b, 1), b.reals(2)
    rank = weight.ndim - 2
    if rank not in (1, 2):
        b.refuse("W", f"shape {list(weight.shape)}", "kernels over one or two axes")
    stride, dilation = (list(node.get(n) or [1] * rank) for n in ("strides", "dilations"))
    before, after = sides(node, b, x.shape[2:], weight.shape[2:], stride, dilation)
    args: dict[str, Any] = {"weight": weight, "bias": bias, "stride": stride, "dilation": dilation}
    args |= {"groups": node.get("group", 1), "padding": before if before == after else [0] * rank}
    source = x if before == after else padded(b, x, before, after)
    return b.call(f"aten.conv{rank}d.default", {"input": source} | args)


@lowers("ConvTranspose")
def conv_transpose(node: Node, b: Recorder) -> Tensor:
    """With constant kernel and equal pads on both sides, where the result is a multiple of the stride."""
    x, weight, bias = b.tensor(0), weights(b, 1), b.reals(2)
    rank = weight.ndim - 2
    if rank not in (1, 2):
        b.refuse("W", f"shape {list(weight.shape)}", "kernels over one or two axes")
    b.only("auto_pad", "NOTSET", "VALID")
    if node.get("output_shape") is not None:
        b.refuse("output_shape", node.get("output_shape"), "pads and output_padding")
    pads = list(node.get("pads") or [0] * 2 * rank)
    if pads[:rank] != pads[rank:]:
        b.refuse("pads", pads, "the same on both sides", "turn the difference into output_padding")
    numbers = {"stride": "strides", "dilation": "dilations", "output_padding": "output_padding"}
    args = {k: list(node.get(n) or [int(k != "output_padding")] * rank) for k, n in numbers.items()}
    args |= {"padding": pads[:rank], "groups": node.get("group", 1)}
    overload = "aten.conv_transpose1d.default" if rank == 1 else "aten.conv_transpose2d.input"
    return b.call(overload, {"input": x, "weight": weight, "bias": bias} | args)


@lowers("BatchNormalization")
def batch_norm(node: Node, b: Recorder) -> Tensor:
    """With constant statistics; training_mode = 0. Part of the matrix in front where there is one."""
    b.only("training_mode", 0)
    b.only("spatial", 1)
    names = ("weight", "bias", "running_mean", "running_var")
    constants = {n: b.reals(k) for k, n in enumerate(names, 1)}
    flags = {"training": False, "cudnn_enabled": False}
    numbers = {"momentum": 0.1, "eps": float(np.float32(node.get("epsilon", 1e-5)))}
    return b.call("aten.batch_norm.default", {"input": b.tensor(0)} | constants | flags | numbers)
