# SPDX-License-Identifier: Apache-2.0
"""Larger images: every token becomes several, copies of it or the blocks of its channels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from gatewright.errors import GraphError
from gatewright.fixed import Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._lanes import SKID_LATENCY, check_lanes, lane_foldings
from gatewright.ops._window import memory_cost

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

READ_LATENCY = 1
"""Cycles from a beat that is taken to the register slice: those of the memory of rows."""
SHUFFLE = "aten.pixel_shuffle.default"


@dataclass(frozen=True)
class Upsample(Op):
    """Every token of an image becomes `scale[0] x scale[1]` tokens. The format stays.

    Copies: `y[r, c, k] = x[r // sy, c // sx, k]`, the nearest neighbour. Blocks: `y[r, c, k] = x[r // sy, c // sx,
    (k * sy + r % sy) * sx + c % sx]`, pixel shuffle (Shi et al. 2016, "Real-time single image and video
    super-resolution", eq. 4; depth to space in the order CRD). One row is kept and read `sy` times, so nothing grows
    with the height.

    Attributes:
        scale: rows and columns per token.
        blocks: tokens are the blocks of the channels; else copies.
        height, width: rows and columns of the input; 1 row for a sequence.
    """

    torch: ClassVar[tuple[str, ...]] = (
        "aten.upsample_nearest1d.vec",
        "aten.upsample_nearest2d.vec",
        "aten._upsample_nearest_exact1d.vec",
        "aten._upsample_nearest_exact2d.vec",
        SHUFFLE,
    )

    scale: tuple[int, int]
    blocks: bool
    height: int
    width: int

    @property
    def copies(self) -> int:
        """Tokens that one token becomes."""
        return self.scale[0] * self.scale[1]

    @property
    def parts(self) -> int:
        """Input channels per output channel."""
        return self.copies if self.blocks else 1

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if len(self.scale) != 2 or min(self.scale) < 1 or self.copies == 1:
            raise GraphError("upsample.scale", f"{self.scale}", "two whole numbers from 1, not both 1")
        if x.tokens != self.height * self.width:
            allowed = f"{self.height} x {self.width} = {self.height * self.width} tokens"
            raise GraphError("upsample.height", f"{x.tokens} tokens", allowed)
        if x.channels % self.parts:
            raise GraphError("upsample.blocks", f"{x.channels} channels", f"a multiple of {self.parts}")
        return TensorType(x.tokens * self.copies, x.channels // self.parts, x.fixed)

    def rearranged(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """[tokens, channels] -> [tokens * copies, channels / parts], integers or real numbers."""
        rows, columns = self.scale
        if not self.blocks:
            image = x.reshape(self.height, 1, self.width, 1, -1)
            return np.broadcast_to(image, (self.height, rows, self.width, columns, x.shape[1])).reshape(-1, x.shape[1])
        image = x.reshape(self.height, self.width, -1, rows, columns).transpose(0, 3, 1, 4, 2)
        return image.reshape(len(x) * self.copies, -1)

    def evaluate(self, *inputs: Ints) -> Ints:
        return self.rearranged(inputs[0])

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Upsample | None:
        (x,) = inputs
        if not isinstance(x.tokens, int):
            return None
        rows, columns = ((1, 2), (2, 1), (2, 2), (3, 1), (2, 3), (1, 4))[rng.integers(6)]
        blocks = bool(rng.random() < 0.6) and x.channels % (rows * columns) == 0
        height = int(rng.choice([h for h in range(1, x.tokens + 1) if x.tokens % h == 0]))
        return cls((rows, columns), blocks, height, x.tokens // height) if x.tokens * rows * columns <= 256 else None

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return self.rearranged(inputs[0])

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        return self.rearranged(inputs[0][1])

    @classmethod
    def from_torch(cls, call: TorchCall) -> Upsample:
        rank = len(call.shape) - 2
        if rank == 2:
            height, width = call.image()
        else:
            call.sequence()
            tokens = call.input().tokens
            if not isinstance(tokens, int):
                call.refuse("input", "a run-time length", "sequences of a fixed length", "upsample before the model")
            height, width = 1, tokens
        if call.target == SHUFFLE:
            factor = call.ints("upscale_factor", 2)
            return cls((factor[0], factor[1]), True, height, width)
        return cls(cls._scale(call, (height, width)), False, height, width)

    @staticmethod
    def _scale(call: TorchCall, before: tuple[int, int]) -> tuple[int, int]:
        """Whole factors between input and result; factors that torch was given must be these."""
        after = [s or 0 for s in call.shape[2:]]
        after = after if len(after) == 2 else [1, *after]
        found = [a // b for a, b in zip(after, before, strict=True)]
        given = list(call.arg("scale_factors") or found)
        if [f * b for f, b in zip(found, before, strict=True)] != after or given != found[-len(given) :]:
            sizes = f"{call.arg('output_size')} from {list(before)}, scale_factor = {call.arg('scale_factors')}"
            call.refuse("size", sizes, "the nearest neighbour at whole factors")
        return found[0], found[1]

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels // self.parts)

    def kept(self, beats: int) -> int:
        """Beats that the memory holds: one row; a token where no row is read twice."""
        return beats * (self.width if self.scale[0] > 1 else 1)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,) = inputs
        out, wide = folding.lanes * x.fixed.width, folding.lanes * self.parts * x.fixed.width
        choice = out * (self.parts - 1) / 3 + wide
        registers = Cost(lut=choice + out + 40, ff=wide + 2 * out + 40)
        return registers + memory_cost(wide, self.kept(x.channels // self.parts // folding.lanes))

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        return folding.lanes * self.parts, folding.lanes

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        (x,) = inputs
        row, column = np.divmod(np.arange(tokens * self.copies), self.width * self.scale[1])
        # The first reading of a row keeps step with its arrival; the others come behind its end, and no token of the
        # next row is taken before the last one has begun.
        last = np.where(row % self.scale[0] == 0, column // self.scale[1], self.width - 1)
        beats = x.channels // self.parts // folding.lanes
        need = row // self.scale[0] * self.width + last
        return [Stage(need, beats, READ_LATENCY + SKID_LATENCY, beats)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,) = inputs
        check_lanes(folding.lanes, x.channels // self.parts)
        parameters = {
            "DataWidth": x.fixed.width,
            "Lanes": folding.lanes,
            "Chunks": x.channels // self.parts // folding.lanes,
            "Width": self.width,
            "ScaleH": self.scale[0],
            "ScaleW": self.scale[1],
            "Blocks": int(self.blocks),
        }
        return Instance("upsample", parameters, (folding.lanes * self.parts,), folding.lanes)
