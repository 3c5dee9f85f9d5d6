# SPDX-License-Identifier: Apache-2.0
"""Transposed convolutions as convolutions of the small image, followed by a pixel shuffle.

With stride s and padding p, output t + p = s j + f (0 <= f < s) of a transposed convolution is
`sum_m w[f + s m] x[j - m]`: each of the s phases f is an ordinary convolution with every s-th tap (Shi et al. 2016,
"Is the deconvolution layer the same as a convolutional layer?"). All phases become channels of one convolution, which
multiplies no zeros between pixels; the shuffle puts them side by side. With a kernel of the stride it is a matrix per
pixel.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from gatewright.errors import UnsupportedError
from gatewright.fixed import Ints
from gatewright.frontend.layout import Shape
from gatewright.frontend.program import Array, Program, Ref, Step
from gatewright.ops.upsample import SHUFFLE

TRANSPOSED = ("aten.conv_transpose1d.default", "aten.conv_transpose2d.input")
"""Calls whose weight is [in, out / groups, ..]."""


def scaled(weight: Array, scale: Array, groups: int) -> Array:
    """The weight of a transposed convolution [in, out / groups, ..] with output channel o times `scale[o]`."""
    tall = weight.reshape(groups, -1, *weight.shape[1:])
    return np.asarray(tall * scale.reshape(groups, 1, -1, *[1] * (weight.ndim - 2))).reshape(weight.shape)


def expand_transposed(program: Program) -> Program:
    """shuffle(W' * x + b') = the transposed convolution W^T x + b, see above."""
    steps: list[Step] = []
    for step in program.steps:
        steps += _expanded(step) if step.target in TRANSPOSED and _constant(step) else [step]
    return dataclasses.replace(program, steps=tuple(steps))


def _constant(step: Step) -> bool:
    return isinstance(step.args["weight"], np.ndarray) and step.shape is not None


@dataclasses.dataclass(frozen=True)
class Axis:
    """Where the taps of one axis go.

    Attributes:
        taps: [stride, kernel of the convolution] tap of the transposed kernel; -1 where there is none.
        before, after: padding of the convolution.
    """

    taps: Ints
    before: int
    after: int


def axis(step: Step, name: str, kernel: int, stride: int, padding: int, dilation: int, sizes: tuple[int, int]) -> Axis:
    """The convolution along one axis.

    Args:
        step, name: for messages.
        sizes: of the small and the large image.

    Raises:
        UnsupportedError: the result is no multiple of the stride, or the padding cuts more than the kernel adds.
    """
    small, large = sizes
    if large % stride:
        raise UnsupportedError(
            step.place,
            f"{name} of the result = {large}",
            f"a multiple of the stride {stride}",
            "choose padding and output_padding such that the result is stride times as large, e.g. kernel 4, padding 1",
        )
    reach = dilation * (kernel - 1) + 1
    # Phase f of output s q + f reads input q + offset by tap t.
    found = {
        (f, (f + padding - t) // stride): t for f in range(stride) for t in range((f + padding) % stride, reach, stride)
    }
    offsets = [o for _, o in found]
    low, high = min(offsets), max(offsets)
    taps = np.full((stride, high - low + 1), -1)
    for (phase, offset), tap in found.items():
        if tap % dilation == 0:
            taps[phase, offset - low] = tap // dilation
    before, after = -low, large // stride - 1 + high - (small - 1)
    if before < 0 or after < 0:
        raise UnsupportedError(step.place, f"{name}: padding = {padding}", "less than the kernel adds", "crop less")
    return Axis(taps, before, after)


def _expanded(step: Step) -> Iterator[Step]:
    args, weight = step.args, step.args["weight"]
    assert step.shape is not None
    rank, groups = weight.ndim - 2, args["groups"]
    stride, padding, dilation = (_numbers(args[k], rank) for k in ("stride", "padding", "dilation"))
    sizes = [_sizes(step, a, weight.shape[2 + a], stride[a], padding[a], dilation[a]) for a in range(rank)]
    names = ("rows", "columns") if rank == 2 else ("steps",)
    axes = [
        axis(step, names[a], weight.shape[2 + a], stride[a], padding[a], dilation[a], sizes[a]) for a in range(rank)
    ]
    kernel = convolution_weight(weight, groups, axes)
    bias = None if args.get("bias") is None else np.repeat(args["bias"], math.prod(stride))
    small = tuple(s for s, _ in sizes)
    moved = (1, len(kernel), *(large // s for (_, large), s in zip(sizes, stride, strict=True)))
    source: Any = args["input"]
    name = f"{step.name}_phases"
    if groups == 1 and kernel.shape[2:] == (1,) * rank:
        yield from _matrix(step, name, source, kernel.reshape(kernel.shape[:2]), bias, small)
    else:
        if any(a.before or a.after for a in axes):
            flat = [n for a in axes[::-1] for n in (a.before, a.after)]
            padded = tuple(s + a.before + a.after for s, a in zip(small, axes, strict=True))
            pad = {"self": source, "pad": flat, "mode": "constant", "value": 0.0}
            yield _call(step, f"{name}_pad", "aten.pad.default", pad, (1, weight.shape[0], *padded))
            source = Ref(f"{name}_pad")
        given = {"input": source, "weight": kernel, "bias": bias, "stride": [1] * rank, "padding": [0] * rank}
        yield _call(step, name, f"aten.conv{rank}d.default", given | {"dilation": [1] * rank, "groups": groups}, moved)
    if math.prod(stride) == 1:
        yield _call(step, step.name, "aten.alias.default", {"self": Ref(name)}, step.shape)
        return
    factors = stride if rank == 2 else [1, *stride]
    args = {"self": Ref(name), "upscale_factor": factors}
    yield dataclasses.replace(step, target=SHUFFLE, function=shuffle, args=args)


def convolution_weight(weight: Array, groups: int, axes: list[Axis]) -> Array:
    """[in, out / groups, ..] -> [out * phases, in / groups, ..]; the phases of an output channel follow each other."""
    inner = weight.reshape(groups, -1, *weight.shape[1:])
    # A tap that is missing reads a zero behind the kernel.
    inner = np.pad(inner, [(0, 0)] * 3 + [(0, 1)] * len(axes))
    for k, one in enumerate(axes):
        # Axis 3 + k becomes (phase, tap); those before it have been taken already.
        inner = np.take(inner, one.taps, axis=3 + 2 * k)
    phases, taps = [3 + 2 * k for k in range(len(axes))], [4 + 2 * k for k in range(len(axes))]
    inner = inner.transpose(0, 2, *phases, 1, *taps)
    return np.ascontiguousarray(inner.reshape(-1, weight.shape[0] // groups, *(a.taps.shape[1] for a in axes)))


def _matrix(
    step: Step, name: str, source: Any, weight: Array, bias: Array | None, small: tuple[int, ...]
) -> Iterator[Step]:
    """A kernel of one tap: a matrix per pixel, channels last."""
    rank, outs = len(small), len(weight)
    last = (1, *small, weight.shape[1])
    yield _call(step, f"{name}_in", "aten.permute.default", {"self": source, "dims": [0, *range(2, 2 + rank), 1]}, last)
    given = {"input": Ref(f"{name}_in"), "weight": weight, "bias": bias}
    yield _call(step, f"{name}_out", "aten.linear.default", given, (*last[:-1], outs))
    back = {"self": Ref(f"{name}_out"), "dims": [0, 1 + rank, *range(1, 1 + rank)]}
    yield _call(step, name, "aten.permute.default", back, (1, outs, *small))


def shuffle(**args: Any) -> Any:
    """Pixel shuffle with a factor for each axis: [1, C a b, H, W] -> [1, C, a H, b W]; without H for a = 1 if 3-D."""
    x, (rows, columns) = args["self"], args["upscale_factor"]
    if x.ndim == 3:
        return x.reshape(1, -1, columns, x.shape[2]).transpose(2, 3).reshape(1, -1, x.shape[2] * columns)
    height, width = x.shape[2:]
    blocks = x.reshape(1, -1, rows, columns, height, width).permute(0, 1, 4, 2, 5, 3)
    return blocks.reshape(1, -1, height * rows, width * columns)


def _call(step: Step, name: str, target: str, args: dict[str, Any], shape: Shape) -> Step:
    import torch

    space, call, overload = target.split(".")
    function = getattr(getattr(getattr(torch.ops, space), call), overload)
    order = [a.name for a in function._schema.arguments if a.name in args]
    return Step(name, target, function, {k: args[k] for k in order}, shape, step.path)


def _numbers(value: Any, rank: int) -> list[int]:
    found = list(value) if isinstance(value, list | tuple) else [value]
    return found * rank if len(found) == 1 else found


def _sizes(step: Step, at: int, kernel: int, stride: int, padding: int, dilation: int) -> tuple[int, int]:
    """Sizes of the small and the large image along an axis."""
    assert step.shape is not None
    large = step.shape[2 + at]
    if large is None:
        raise UnsupportedError(step.place, "a run-time length", "images and sequences of a fixed size")
    extra = _numbers(step.args["output_padding"], len(step.shape) - 2)[at]
    return (large - extra - dilation * (kernel - 1) - 1 + 2 * padding) // stride + 1, large
