# SPDX-License-Identifier: Apache-2.0
"""Convolution over a sequence whose length may be known only at run time."""

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
from gatewright.ops._window import Window, check_ranks, sample_window, sequence_window

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True, eq=False)
class Conv1d(_Convolution):
    """`y[t, o] = requantize(sum w[o, i, k] * x[t * stride + k * dilation - pad, i] + b[o])`.

    Attributes:
        weight: [out, in / groups, kernel] signed integers.
        bias: [out] integers at the accumulator's binary point.
        shift: [out] right shift from the accumulator to `output`.
        weight_width: bits of a weight, 1 to 16.
        output: format of the result.
        groups: channel groups that do not mix; as many as channels is a depthwise convolution.
        stride, dilation: one number.
        padding: (both sides,) or (left, right); (reach, 0) makes the convolution causal.
        circular: padding continues the sequence periodically; else it is zero.
        codebook, coded: how weights are stored, see `Linear`.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.conv1d.default", "aten.conv1d.padding")

    weight: Ints
    bias: Ints
    shift: Ints
    weight_width: int
    output: Fixed
    groups: int = 1
    stride: tuple[int, ...] = (1,)
    padding: tuple[int, ...] = (0,)
    dilation: tuple[int, ...] = (1,)
    circular: bool = False
    codebook: Ints | None = None
    coded: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        if self.weight.ndim != 3:
            raise GraphError("conv1d.weight", f"shape {self.weight.shape}", "[out, in / groups, kernel]")
        check_ranks("conv1d", False, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def window(self) -> Window:
        return sequence_window(self.weight.shape[2:], self.stride, self.padding, self.dilation, self.circular)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Conv1d:
        (x,) = inputs
        window, _ = sample_window(rng, x.tokens, image=False)
        kernel, (groups, outs) = window.pop("kernel"), sample_groups(rng, x.channels)
        shape = (outs, x.channels // groups, *kernel)
        return cls(
            **_codebook.sample(rng, Matrix.sample(rng, x.fixed, shape, int(np.prod(shape[1:]))), groups),
            groups=groups,
            circular=bool(rng.random() < 0.3),
            **window,
        )

    @classmethod
    def from_torch(cls, call: TorchCall) -> Conv1d:
        call.sequence()
        geometry = torch_geometry(call, 1)
        output = call.output
        found = call.weights(call.arg("weight"), call.arg("bias"), call.input().fixed, output)
        options = geometry | call.storage(found[0], found[3], geometry["groups"])
        return cls(*found, output, **options)

    def shape_parameters(self) -> dict[str, int]:
        window = self.window()
        return {
            "Kernel": window.kernel[1],
            "Stride": window.stride[1],
            "Dilation": window.dilation[1],
            "Left": window.padding[1],
            "Right": window.padding[3],
        }
