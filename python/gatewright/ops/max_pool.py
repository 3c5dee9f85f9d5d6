# SPDX-License-Identifier: Apache-2.0
"""Largest value of a sliding window, per channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.fixed import Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, most_tokens
from gatewright.ops._bounds import real_patches
from gatewright.ops._lanes import SKID_LATENCY, check_lanes, lane_foldings
from gatewright.ops._window import Window, check_ranks, image_window, sample_window, sequence_window

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True)
class MaxPool(Op):
    """`y[t, c] = max over the window of x[.., c]`; padding never wins. The format stays.

    Attributes:
        kernel, stride, dilation: (length,) over a sequence, (rows, columns) over an image.
        padding: the same on both sides of each axis, or (left, right), or (top, left, bottom, right).
        height, width: rows and columns of an image; None for a sequence.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.max_pool1d.default", "aten.max_pool2d.default")

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    height: int | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        check_ranks(
            "max_pool",
            self.width is not None,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
        )

    def window(self) -> Window:
        """The sliding window."""
        if self.height is None or self.width is None:
            return sequence_window(self.kernel, self.stride, self.padding, self.dilation)
        return image_window(self.kernel, self.stride, self.padding, self.dilation, self.height, self.width)

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        tokens = self.window().out_tokens("max_pool", x.tokens)
        self.window().check_covered("max_pool", x.tokens)
        return TensorType(tokens, x.channels, x.fixed)

    def evaluate(self, *inputs: Ints) -> Ints:
        # Below every format: like the format's minimum, it never wins against a real token.
        return self.window().patches(inputs[0], np.iinfo(np.int64).min).max(axis=1)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> MaxPool:
        window, shape = sample_window(rng, inputs[0].tokens)
        return cls(window["kernel"], window["stride"], window["padding"], window["dilation"], *shape)

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return real_patches(self.window(), inputs[0], -np.inf).max(axis=1)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        # |max a - max b| <= max |a - b|
        return real_patches(self.window(), inputs[0][1]).max(axis=1)

    @classmethod
    def from_torch(cls, call: TorchCall) -> MaxPool:
        if call.arg("ceil_mode"):
            call.refuse("ceil_mode", True, "False", "pad the input instead")
        rank = 2 if call.target == "aten.max_pool2d.default" else 1
        size = call.image() if rank == 2 else call.sequence()
        kernel = call.ints("kernel_size", rank)
        return cls(
            kernel, call.ints("stride", rank, kernel), call.ints("padding", rank), call.ints("dilation", rank), *size
        )

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,) = inputs
        beat = folding.lanes * x.fixed.width
        compare = (self.window().taps - 1) * beat * 1.65
        return self.window().cost(x.channels, folding.lanes, x.fixed.width, x.tokens) + Cost(
            lut=compare + beat, ff=2 * beat
        )

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        (x,) = inputs
        window, chunks = self.window(), x.channels // folding.lanes
        parts, count = window.parts(tokens, chunks), int(np.prod(window.out_shape(tokens)))
        last = Stage(np.arange(1, count + 1) * parts - 1, chunks // parts, SKID_LATENCY, chunks // parts)
        return [*window.stages(tokens, chunks, most_tokens(x.tokens)), last]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,) = inputs
        check_lanes(folding.lanes, x.channels)
        return Instance(
            "max_pool",
            {
                **self.window().parameters(),
                "Lanes": folding.lanes,
                "Chunks": x.channels // folding.lanes,
                "DataWidth": x.fixed.width,
                "Signed": int(x.fixed.signed),
                "PadValue": x.fixed.lo % (1 << x.fixed.width),
            },
            (folding.lanes,),
            folding.lanes,
        )
