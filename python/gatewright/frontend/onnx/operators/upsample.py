# SPDX-License-Identifier: Apache-2.0
"""Larger images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.frontend.onnx.model import Node
from gatewright.frontend.onnx.recorder import Recorder
from gatewright.frontend.onnx.register import lowers
from gatewright.frontend.onnx.tensor import Tensor
from gatewright.ops.upsample import SHUFFLE

HALVES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel")
ROUND = ("round_prefer_floor", "round_prefer_ceil")
"""With `HALVES` and a whole factor these mean x[i // factor]: no output pixel lies halfway between two."""


def _nearest(b: Recorder, x: Tensor, after: Sequence[float]) -> Tensor:
    """The nearest neighbour in images or sequences of the sizes `after`, batch and channels included."""
    before = x.shape
    whole = [n > 0 and n == int(n) and int(n) % m == 0 for n, m in zip(after, before, strict=True)]
    if len(before) not in (3, 4) or list(after[:2]) != list(before[:2]) or not all(whole):
        b.refuse("sizes", f"{[float(n) for n in after]} from {list(before)}", "whole factors of rows, columns or steps")
    sizes = [int(n) for n in after[2:]]
    call = f"aten.upsample_nearest{len(sizes)}d.vec"
    return b.call(call, {"input": x, "output_size": sizes, "scale_factors": None})


@lowers("Resize")
def resize(node: Node, b: Recorder) -> Tensor:
    """To the nearest neighbour by whole factors: asymmetric with floor, or half pixels with rounding."""
    x = b.tensor(0)
    b.only("mode", "nearest")
    if len(node.inputs) > 2:
        # Since opset 11: x, region, scales, sizes; before, x and scales, in corners.
        place = b.only("coordinate_transformation_mode", *HALVES, "asymmetric")
        rounding, allowed = node.get("nearest_mode", ROUND[0]), ROUND if place in HALVES else ("floor",)
        if rounding not in allowed:
            b.refuse("nearest_mode", rounding, f"{' or '.join(allowed)} with {place}")
    scales, sizes = b.constant(2 if len(node.inputs) > 2 else 1), b.constant(3)
    axes = node.get("axes")
    if axes is not None:
        b.refuse("axes", axes, "all dimensions")
    if sizes is None or len(sizes) == 0:
        sizes = np.asarray(scales, np.float64) * x.shape
    return _nearest(b, x, [float(n) for n in sizes])


@lowers("Upsample")
def upsample(node: Node, b: Recorder) -> Tensor:
    """To the nearest neighbour by whole factors."""
    x = b.tensor(0)
    b.only("mode", "nearest")
    scales = b.constant(1, node.get("scales"))
    return _nearest(b, x, [float(s) * n for s, n in zip(scales, x.shape, strict=True)])


@lowers("DepthToSpace")
def depth_to_space(node: Node, b: Recorder) -> Tensor:
    """In the order CRD; in the order DCR directly behind a convolution that nothing else reads."""
    x, size = b.tensor(0), int(node.get("blocksize"))
    if b.only("mode", "DCR", "CRD") == "DCR":
        # Input channel (block, c) becomes (c, block).
        order = np.arange(x.shape[1]).reshape(size * size, -1).T.reshape(-1)
        found = b.reordered(x, order)
        if found is None:
            b.refuse("mode", "DCR", "CRD, or DCR behind a convolution without groups that nothing else reads")
        x = found
    return b.call(SHUFFLE, {"self": x, "upscale_factor": size})
