# SPDX-License-Identifier: Apache-2.0
"""Padding and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewright.frontend.onnx.model import Node
from gatewright.frontend.onnx.recorder import Recorder
from gatewright.frontend.onnx.register import lowers
from gatewright.frontend.onnx.tensor import Tensor


def sides(
    node: Node,
    b: Recorder,
    sizes: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
) -> tuple[list[int], list[int]]:
    """Padding (before, after) of every axis: `pads`, or what `auto_pad` stands for at these sizes."""
    rank, auto = len(kernel), b.only("auto_pad", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")
    if auto in ("NOTSET", "VALID"):
        pads = list(node.get("pads") or [0] * 2 * rank) if auto == "NOTSET" else [0] * 2 * rank
        return pads[:rank], pads[rank:]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    total = [max(0, (-(-n // s) - 1) * s + r - n) for n, s, r in zip(sizes, stride, reach, strict=True)]
    small, large = [t // 2 for t in total], [t - t // 2 for t in total]
    return (small, large) if auto == "SAME_UPPER" else (large, small)


def padded(b: Recorder, x: Tensor, before: Sequence[int], after: Sequence[int], value: float = 0.0) -> Tensor:
    """`x` with its last dimensions padded by a constant."""
    # Torch lists the last dimension first.
    flat = [n for pair in zip(before[::-1], after[::-1], strict=True) for n in pair]
    return b.call("aten.pad.default", {"self": x, "pad": flat, "mode": "constant", "value": value})


@lowers("Pad")
def pad(node: Node, b: Recorder) -> Tensor:
    """With zeros (constant) or periodically (wrap), directly before a convolution."""
    x = b.tensor(0)
    mode = b.only("mode", "constant", "wrap")
    amounts = node.get("pads") or node.get("paddings")
    amounts = [int(v) for v in (amounts if amounts is not None else b.constant(1))]
    fill = float(np.asarray(b.constant(2, node.get("value", 0.0))).reshape(-1)[0])
    rank = len(x.shape)
    axes = [int(a) % rank for a in b.constant(3, np.arange(rank))]
    before, after = [0] * rank, [0] * rank
    for k, axis in enumerate(axes):
        before[axis], after[axis] = amounts[k], amounts[k + len(axes)]
    if mode == "constant" and fill != 0:
        b.refuse("constant_value", fill, "0")
    if min(before + after) < 0:
        b.refuse("pads", amounts, "amounts of at least 0")
    if mode == "constant":
        return padded(b, x, before, after)
    if any((before + after)[k] for k in (0, 1, rank, rank + 1)):
        b.refuse("pads", amounts, "padding of rows, columns or steps")
    flat = [n for pair in zip(before[:1:-1], after[:1:-1], strict=True) for n in pair]
    return b.call("aten.pad.default", {"self": x, "pad": flat, "mode": "circular"})


def _window(node: Node, b: Recorder, x: Tensor) -> dict[str, Any]:
    """Kernel, stride and padding of a pool; padding is (before.., after..) where both sides differ."""
    kernel = list(node.get("kernel_shape"))
    rank = len(kernel)
    if rank not in (1, 2):
        b.refuse("kernel_shape", kernel, "one or two axes")
    stride = list(node.get("strides") or [1] * rank)
    dilation = list(node.get("dilations") or [1] * rank)
    before, after = sides(node, b, x.shape[2:], kernel, stride, dilation)
    if node.get("ceil_mode", 0):
        reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
        left = [(n + p + q - r) % s for n, p, q, r, s in zip(x.shape[2:], before, after, reach, stride, strict=True)]
        if any(left):
            b.refuse("ceil_mode", 1, "0, or windows that divide the input", "pad the input instead")
    padding = before if before == after else before + after
    return {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}


@lowers("MaxPool")
def max_pool(node: Node, b: Recorder) -> Tensor:
    """Over sequences and images, any padding, first output; storage_order = 0."""
    b.only("storage_order", 0)
    for extra in node.outputs[1:]:
        if extra in b.model.readers or extra in b.model.outputs:
            b.refuse("outputs", f"indices {extra}", "the largest values only")
    x = b.tensor(0)
    window = _window(node, b, x)
    rank = len(window["kernel_size"])

    def run(**args: Any) -> Any:
        import torch

        pool = getattr(torch.nn.functional, f"max_pool{rank}d")
        source = _extended(args["self"], args["padding"], rank, float("-inf"))
        return pool(source, args["kernel_size"], args["stride"], 0, args["dilation"])

    return b.call(f"aten.max_pool{rank}d.default", {"self": x} | window | {"ceil_mode": False}, run)


@lowers("AveragePool")
def average_pool(node: Node, b: Recorder) -> Tensor:
    """Over sequences and images; padding counts (count_include_pad = 1) or there is none, dilations = 1."""
    x = b.tensor(0)
    window = _window(node, b, x)
    if any(window["padding"]):
        b.only("count_include_pad", *((1,) if "count_include_pad" in node.attributes else (0,)))
        if not node.get("count_include_pad", 0):
            b.refuse("count_include_pad", 0, "1, or no padding")
    if any(d != 1 for d in window.pop("dilation")):
        b.refuse("dilations", node.get("dilations"), "1")
    rank = len(window["kernel_size"])

    def run(**args: Any) -> Any:
        import torch

        pool = getattr(torch.nn.functional, f"avg_pool{rank}d")
        return pool(_extended(args["self"], args["padding"], rank, 0.0), args["kernel_size"], args["stride"])

    args = {"self": x} | window | {"ceil_mode": False, "count_include_pad": True, "divisor_override": None}
    return b.call(f"aten.avg_pool{rank}d.default", args, run)


def _extended(x: Any, padding: Sequence[int], rank: int, value: float) -> Any:
    """`x` padded by (before.., after..), or by the same on both sides."""
    import torch

    both = list(padding) if len(padding) == 2 * rank and rank > 1 or len(padding) > rank else [*padding, *padding]
    before, after = both[:rank], both[rank:]
    flat = [n for pair in zip(before[::-1], after[::-1], strict=True) for n in pair]
    return torch.nn.functional.pad(x, flat, value=value)


def _spatial(b: Recorder, x: Tensor) -> list[int]:
    if len(x.shape) not in (3, 4):
        b.refuse("input", f"shape {list(x.shape)}", "[N, C, H, W] or [N, C, L]")
    return list(range(2, len(x.shape)))


@lowers("GlobalAveragePool")
def global_average(node: Node, b: Recorder) -> Tensor:
    """Over sequences and images."""
    x = b.tensor(0)
    return b.call("aten.mean.dim", {"self": x, "dim": _spatial(b, x), "keepdim": True})


@lowers("GlobalMaxPool")
def global_max(node: Node, b: Recorder) -> Tensor:
    """Over sequences and images."""
    x = b.tensor(0)
    return b.call("aten.amax.default", {"self": x, "dim": _spatial(b, x), "keepdim": True})


def _reduced(node: Node, b: Recorder, x: Tensor) -> list[int]:
    axes = node.get("axes")
    axes = b.constant(1, axes)
    if axes is None or len(axes) == 0:
        b.refuse("axes", None if axes is None else list(axes), "all dimensions but batch and channels")
    return [int(a) % len(x.shape) for a in axes]


@lowers("ReduceMean")
def reduce_mean(node: Node, b: Recorder) -> Tensor:
    """Over all tokens: rows and columns, or steps."""
    x = b.tensor(0)
    return b.call("aten.mean.dim", {"self": x, "dim": _reduced(node, b, x), "keepdim": bool(node.get("keepdims", 1))})


@lowers("ReduceMax")
def reduce_max(node: Node, b: Recorder) -> Tensor:
    """Over all tokens: rows and columns, or steps."""
    x = b.tensor(0)
    return b.call(
        "aten.amax.default", {"self": x, "dim": _reduced(node, b, x), "keepdim": bool(node.get("keepdims", 1))}
    )
