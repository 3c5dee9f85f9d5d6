# SPDX-License-Identifier: Apache-2.0
"""Mean of a sliding window, per channel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, most_tokens
from gatewright.ops._bounds import real_patches
from gatewright.ops._lanes import SKID_LATENCY, check_lanes, lane_foldings
from gatewright.ops._matrix import sample_fixed
from gatewright.ops._reciprocal import divider
from gatewright.ops._window import Window, check_ranks, image_window, sample_window, sequence_window

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

MEAN_LATENCY = 2 + SKID_LATENCY
"""Cycles from a complete window to its mean: sum, product, and the register slice that rounds."""


@dataclass(frozen=True)
class AveragePool(Op):
    """`y[t, c] = requantize(sum over the window of x[.., c] / taps)`; padding is zero and counts.

    A number of taps that is a power of two divides exactly. Any other is multiplied by a 17-bit
    reciprocal R = round(2**m / taps); before rounding, the result is then off by at most
    `taps * max|x| * |R / 2**m - 1 / taps| <= max|x| * 2**-17`: a quarter of an input unit for 16-bit inputs
    and 2**-10 for 8-bit ones.

    Attributes:
        kernel, stride: (length,) over a sequence, (rows, columns) over an image.
        padding: the same on both sides of each axis, or (left, right), or (top, left, bottom, right).
        shift: input frac minus output frac.
        output: format of the result.
        height, width: rows and columns of an image; None for a sequence.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.avg_pool1d.default", "aten.avg_pool2d.default")

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    shift: int
    output: Fixed
    height: int | None = None
    width: int | None = None

    def __post_init__(self) -> None:
        check_ranks(
            "average_pool", self.width is not None, kernel=self.kernel, stride=self.stride, padding=self.padding
        )

    def window(self) -> Window:
        """The sliding window."""
        if self.height is None or self.width is None:
            return sequence_window(self.kernel, self.stride, self.padding, (1,))
        return image_window(self.kernel, self.stride, self.padding, (1, 1), self.height, self.width)

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if x.fixed.frac - self.shift != self.output.frac:
            raise GraphError(
                "average_pool.shift",
                f"{self.shift} from {x.fixed} to {self.output}",
                f"{x.fixed.frac - self.output.frac}",
            )
        return TensorType(self.window().out_tokens("average_pool", x.tokens), x.channels, self.output)

    def evaluate(self, *inputs: Ints) -> Ints:
        factor, fraction = divider(self.window().taps)
        sums = self.window().patches(inputs[0]).sum(axis=1)
        return requantize(sums * factor, fraction + self.shift, self.output)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> AveragePool:
        (x,) = inputs
        window, shape = sample_window(rng, x.tokens, dilated=False)
        shift = int(rng.integers(-1, 4))
        return cls(
            window["kernel"],
            window["stride"],
            window["padding"],
            shift,
            sample_fixed(rng, x.fixed.frac - shift),
            *shape,
        )

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return real_patches(self.window(), inputs[0]).mean(axis=1)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        value, error = inputs[0]
        window, taps = self.window(), self.window().taps
        factor, fraction = divider(taps)
        own = real_patches(window, np.abs(value)).sum(axis=1) * abs(factor * 2.0**-fraction - 1 / taps)
        spread = real_patches(window, error).mean(axis=1)
        return reference.bound(self.output, self.real([value], reference), output, own, spread)

    @classmethod
    def from_torch(cls, call: TorchCall) -> AveragePool:
        if call.arg("ceil_mode"):
            call.refuse("ceil_mode", True, "False", "pad the input instead")
        rank = 2 if call.target == "aten.avg_pool2d.default" else 1
        size = call.image() if rank == 2 else call.sequence()
        kernel, padding = call.ints("kernel_size", rank), call.ints("padding", rank)
        if any(padding) and not call.arg("count_include_pad"):
            call.refuse("count_include_pad", False, "True, or no padding")
        if rank == 2 and call.arg("divisor_override") not in (None, kernel[0] * kernel[1]):
            call.refuse("divisor_override", call.arg("divisor_override"), "None")
        output = call.output
        return cls(
            kernel, call.ints("stride", rank, kernel), padding, call.input().fixed.frac - output.frac, output, *size
        )

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,) = inputs
        taps, lanes = self.window().taps, folding.lanes
        factor, _ = divider(taps)
        wide = x.fixed.width + 1 + (taps - 1).bit_length()
        # A multiplier block takes in the registers of its operands and its product.
        held = 2 * wide if factor == 1 else 0
        adders = (taps - 1) * (x.fixed.width + 2) + (wide if factor == 1 else 8)
        return self.window().cost(x.channels, lanes, x.fixed.width, x.tokens) + Cost(
            lut=lanes * (adders + 2 * self.output.width),
            ff=lanes * (held + 2 * self.output.width),
            dsp=lanes * (factor != 1),
        )

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        (x,) = inputs
        window, chunks = self.window(), x.channels // folding.lanes
        parts, count = window.parts(tokens, chunks), int(np.prod(window.out_shape(tokens)))
        last = Stage(np.arange(1, count + 1) * parts - 1, chunks // parts, MEAN_LATENCY, chunks // parts)
        return [*window.stages(tokens, chunks, most_tokens(x.tokens)), last]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,) = inputs
        check_lanes(folding.lanes, x.channels)
        factor, fraction = divider(self.window().taps)
        parameters = {k: v for k, v in self.window().parameters().items() if not k.startswith("Dilation")}
        return Instance(
            "average_pool",
            {
                **parameters,
                "Lanes": folding.lanes,
                "Chunks": x.channels // folding.lanes,
                "InWidth": x.fixed.width,
                "InSigned": int(x.fixed.signed),
                "Reciprocal": factor,
                "Shift": fraction + self.shift,
                "OutWidth": self.output.width,
                "OutSigned": int(self.output.signed),
            },
            (folding.lanes,),
            folding.lanes,
        )
