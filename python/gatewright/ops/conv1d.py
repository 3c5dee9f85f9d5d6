# SPDX-License-Identifier: Apache-2.0
"""Convolution over a sequence whose length may be known only at run time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Instance, TensorType
from gatewright.ops._conv import _Convolution
from gatewright.ops._window import Window, check_ranks, sequence_window


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

    def __post_init__(self) -> None:
        if self.weight.ndim != 3:
            raise GraphError("conv1d.weight", f"shape {self.weight.shape}", "[out, in / groups, kernel]")
        check_ranks("conv1d", False, stride=self.stride, padding=self.padding, dilation=self.dilation)

    def window(self) -> Window:
        return sequence_window(self.weight.shape[2:], self.stride, self.padding, self.dilation, self.circular)

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,) = inputs
        window = self.window()
        parameters = {
            "Kernel": window.kernel[1], "Stride": window.stride[1], "Dilation": window.dilation[1],
            "Left": window.padding[1], "Right": window.padding[3], **self.common_parameters(folding, x),
        }
        memory = self.matrix(x.fixed, folding.lanes).memory(folding)
        return Instance("conv1d", parameters, (folding.lanes,), folding.pe, memory)
