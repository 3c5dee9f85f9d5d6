# SPDX-License-Identifier: Apache-2.0
"""Convolution over an image: one token per pixel, in raster order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import TensorType
from gatewright.ops import _codebook
from gatewright.ops._conv import _Convolution, sample_groups, torch_geometry
from gatewright.ops._matrix import Matrix
from gatewright.ops._window import Window, check_ranks, image_window, sample_window

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True, eq=False)
class Conv2d(_Convolution):
    """`y[r, c, o] = requantize(sum w[o, i, ky, kx] * x[r * stride + ky * dilation - pad, .., i] + b[o])`.

    Attributes:
        weight: [out, in / groups, kernel rows, kernel columns] signed integers.
        bias: [out] integers at the accumulator's binary point.
        shift: [out] right shift from the accumulator to `output`.
        weight_width: bits of a weight, 1 to 16.
        output: format of the result.
        height, width: rows and columns of the input.
        groups: channel groups that do not mix; as many as channels is a depthwise convolution.
        stride, dilation: (rows, columns).
        padding: (rows, columns) on both sides, or (top, left, bottom, right).
        circular: padding continues the image periodically; else it is zero.
        codebook, coded: how weights are stored, see `Linear`.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.conv2d.default", "aten.conv2d.padding")

    weight: Ints
    bias: Ints
    shift: Ints
    weight_width: int
    output: Fixed
    height: int
    width: int
    groups: int = 1
    stride: tuple[int, ...] = (1, 1)
    padding: tuple[int, ...] = (0, 0)
    dilation: tuple[int, ...] = (1, 1)
    circular: bool = False
    codebook: Ints | None = None
    coded: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        if self.weight.ndim != 4:
            raise GraphError("conv2d.weight", f"shape {self.weight.shape}", "[out, in / groups, rows, cols]")
        check_ranks("conv2d", True, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def window(self) -> Window:
        return image_window(
            self.weight.shape[2:], self.stride, self.padding, self.dilation, self.height, self.width, self.circular
        )

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Conv2d | None:
        (x,) = inputs
        if not isinstance(x.tokens, int):
            return None
        window, (height, width) = sample_window(rng, x.tokens, image=True)
        kernel, (groups, outs) = window.pop("kernel"), sample_groups(rng, x.channels)
        shape = (outs, x.channels // groups, *kernel)
        assert height is not None and width is not None
        return cls(
            **_codebook.sample(rng, Matrix.sample(rng, x.fixed, shape, int(np.prod(shape[1:]))), groups),
            height=height,
            width=width,
            groups=groups,
            circular=bool(rng.random() < 0.3),
            **window,
        )

    @classmethod
    def from_torch(cls, call: TorchCall) -> Conv2d:
        height, width = call.image()
        geometry = torch_geometry(call, 2) | {"height": height, "width": width}
        output = call.output
        found = call.weights(call.arg("weight"), call.arg("bias"), call.input().fixed, output)
        options = geometry | call.storage(found[0], found[3], geometry["groups"])
        return cls(*found, output, **options)

    def shape_parameters(self) -> dict[str, int]:
        return self.window().parameters()
