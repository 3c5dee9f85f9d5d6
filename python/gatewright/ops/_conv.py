# SPDX-License-Identifier: Apache-2.0
"""What conv1d and conv2d share: a window in front of the matrix unit."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType, least_tokens, most_tokens
from gatewright.ops._bounds import matrix_bound, matrix_real, real_patches
from gatewright.ops._matrix import Matrix
from gatewright.ops._matrix_cost import matrix_cost
from gatewright.ops._matrix_rtl import spell
from gatewright.ops._window import Window

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


BUSY = 1.1
"""Cycles that a convolution may take, as a multiple of its matrix unit's own."""


class _Convolution(Op):
    """A convolution; `Folding.lanes` are the channels per beat that enter the window."""

    free_points: ClassVar[bool] = True

    weight: Ints
    bias: Ints
    shift: Ints
    weight_width: int
    output: Fixed
    groups: int
    codebook: Ints | None
    coded: bool

    @abstractmethod
    def window(self) -> Window:
        """The sliding window."""

    @property
    def inner(self) -> int:
        """Input channels per group."""
        return self.weight.shape[1]

    def matrix(self, x: Fixed, lanes: int | None = None) -> Matrix:
        """The matrix unit for inputs of format `x` that come in chunks of `lanes` channels.

        The stream order of a group's inputs is (chunk, ky, kx, lane).
        """
        lanes = lanes or self.inner
        rows = self.weight.reshape(self.groups, -1, self.inner // lanes, lanes, self.window().taps)
        rows = rows.transpose(0, 1, 2, 4, 3).reshape(self.groups, self.weight.shape[0] // self.groups, -1)
        storage = (self.codebook, self.coded)
        return Matrix(rows, self.bias, self.shift, self.weight_width, x, self.output, *storage)

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        name = self.name()
        if self.groups < 1 or self.weight.shape[0] % self.groups:
            raise GraphError(f"{name}.groups", f"{self.groups}", f"a divisor of {self.weight.shape[0]}")
        if x.channels != self.inner * self.groups:
            problem = f"{self.inner} inputs x {self.groups} groups on {x.channels} channels"
            raise GraphError(f"{name}.weight", problem, f"in * groups = {x.channels}")
        tokens = self.window().out_tokens(name, x.tokens)
        self.matrix(x.fixed).check_codebook()
        return TensorType(tokens, self.weight.shape[0], self.output)

    def evaluate(self, *inputs: Ints) -> Ints:
        patches = self.window().patches(inputs[0])
        count, taps, _ = patches.shape
        vectors = patches.reshape(count, taps, self.groups, self.inner).transpose(0, 2, 1, 3)
        # The edge's format does not change the sums; `infer` has checked that they fit.
        return self.matrix(Fixed(1, 0)).evaluate(vectors.reshape(count, self.groups, -1))

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return matrix_real(self._vectors(inputs[0]), reference)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        value, error = (self._vectors(part) for part in inputs[0])
        return matrix_bound(value, error, output, reference, self.output, self.shift)

    def _vectors(self, values: Floats) -> Floats:
        """[tokens, channels] -> [positions, groups, in * taps], inputs outermost as in the float weights."""
        patches = real_patches(self.window(), values)
        return patches.transpose(0, 2, 1).reshape(len(patches), self.groups, -1)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        """Every folding of the matrix unit, each with the fewest lanes that keep it busy."""
        (x,) = inputs
        matrix = self.matrix(x.fixed)
        options = [d for d in range(1, self.inner + 1) if self.inner % d == 0]
        fewest = least_tokens(x.tokens)
        for folding in matrix.foldings():
            legal = [d for d in options if self._whole_ratio(folding.simd, d)]
            patience = matrix.interval(folding) / folding.tokens
            quick = [d for d in legal if self._keeps_busy(fewest, x.channels / d, patience)]
            if legal:
                yield dataclasses.replace(folding, lanes=quick[0] if quick else legal[-1])

    def _keeps_busy(self, tokens: int, beats: float, patience: float) -> bool:
        """Whether the window delivers positions about as fast as the matrix unit takes them, `patience` cycles each.

        Rows that complete no position only cost their beats: nothing between window and matrix unit holds more
        than a patch, so these cycles add to the matrix unit's own.
        """
        rows, columns = self.window().padded_shape(tokens)
        out_rows, out_columns = self.window().out_shape(tokens)
        row, work = columns * beats, out_columns * patience
        return (rows - out_rows) * row + out_rows * max(row, work) <= BUSY * out_rows * work

    def _whole_ratio(self, simd: int, lanes: int) -> bool:
        patch = self.window().taps * lanes
        return patch % simd == 0 or simd % patch == 0

    def check_folding(self, folding: Folding) -> None:
        """Raise GraphError unless the lanes fit the group and the matrix unit's beats."""
        if self.inner % folding.lanes:
            raise GraphError("lanes", f"{folding.lanes} on {self.inner} channels of a group", "a divisor")
        if not self._whole_ratio(folding.simd, folding.lanes):
            patch = self.window().taps * folding.lanes
            raise GraphError("simd", f"{folding.simd} beside patches of {patch}", "one divides the other")

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,) = inputs
        patch = self.window().taps * folding.lanes
        width_change = x.fixed.width * max(patch, folding.simd) if patch != folding.simd else 0
        return (
            self.window().cost(x.channels, folding.lanes, x.fixed.width, x.tokens)
            + Cost(lut=width_change * 0.6, ff=width_change)
            + matrix_cost(self.matrix(x.fixed, folding.lanes), folding)
        )

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        return folding.lanes, folding.pe

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        (x,) = inputs
        window, matrix = self.window(), self.matrix(x.fixed, folding.lanes)
        chunks, parts = x.channels // folding.lanes, window.parts(tokens, x.channels // folding.lanes)
        # Several groups are several vectors per position, which the matrix unit takes one by one.
        vectors = self.groups if parts == chunks else 1
        count, per_vector = int(np.prod(window.out_shape(tokens))), parts // vectors
        patch = window.taps * folding.lanes
        handover = max(1, patch // folding.simd) * (chunks // parts)
        first, *rest = matrix.stages(folding, np.arange(1, count * vectors + 1) * per_vector - 1)
        interval, latency, ahead = first.interval, first.latency, per_vector * folding.tokens
        if matrix.outs == folding.pe:
            # Without a replay buffer the products are made while the parts come in.
            interval, ahead = handover, 0
        elif vectors > 1:
            interval = matrix.interval(folding) // vectors
            latency -= (vectors - 1) * interval
        if patch != folding.simd:
            # The width change takes a cycle, and one for each further beat of the final patch.
            latency += max(1, patch // folding.simd)
        first = Stage(first.need, interval, latency, handover, ahead)
        last = [Stage(np.arange(1, count + 1) * vectors - 1, 1, 0)] if vectors > 1 else []
        return [*window.stages(tokens, chunks, most_tokens(x.tokens)), first, *rest, *last]

    @abstractmethod
    def shape_parameters(self) -> dict[str, int]:
        """SystemVerilog parameters of the window."""

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        return self.rtl_banked(folding, [self], [inputs])

    @classmethod
    def rtl_banked(
        cls, folding: Folding, ops: Sequence[_Convolution], inputs: Sequence[tuple[TensorType, ...]]
    ) -> Instance:
        first, (x,) = ops[0], inputs[0]
        first.check_folding(folding)
        shape = first.shape_parameters()
        for k, one in enumerate(ops[1:], 1):
            if one.shape_parameters() != shape:
                raise GraphError(f"{cls.name()}.window", f"{one.shape_parameters()} in iteration {k}", f"{shape}")
        parameters, memory = spell(
            folding, [op.matrix(t.fixed, folding.lanes) for op, (t,) in zip(ops, inputs, strict=True)]
        )
        common = {
            "Lanes": folding.lanes,
            "Chunks": x.channels // folding.lanes,
            "Circular": int(first.window().circular),
            "MaxTokens": most_tokens(x.tokens),
        }
        return Instance(cls.name(), shape | common | parameters, (folding.lanes,), folding.pe, memory, banked=True)


def sample_groups(rng: np.random.Generator, channels: int) -> tuple[int, int]:
    """Random (groups, output channels); depthwise is among them."""
    groups = int(rng.choice([g for g in (1, 1, 2, 3, channels) if channels % g == 0]))
    return groups, groups * int(rng.integers(1, 7 if groups < 4 else 3))


def torch_geometry(call: TorchCall, rank: int) -> dict[str, Any]:
    """Stride, padding, dilation, groups and circular of a traced convolution over `rank` axes."""
    kernel = call.arg("weight").shape[2:]
    stride, dilation = call.ints("stride", rank), call.ints("dilation", rank)
    stated = call.arg("padding")
    if stated == "same":
        # Torch puts the odd one behind.
        reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        sides = [(r // 2, r - r // 2) for r in reach]
    elif stated == "valid":
        sides = [(0, 0)] * rank
    else:
        sides = [(p, p) for p in call.ints("padding", rank)]
    circular = False
    if call.padding is not None:
        outer, circular = call.padding.amounts, call.padding.circular
        if any(map(any, outer[:2])):
            call.refuse("pad", outer, "padding of rows, columns or steps")
        if circular and any(map(any, sides)):
            call.refuse("padding", stated, "no zero padding after circular padding")
        sides = [(a + c, b + d) for (a, b), (c, d) in zip(sides, outer[2:], strict=True)]
    before, after = zip(*sides, strict=True)
    return {
        "groups": call.arg("groups"),
        "stride": stride,
        "dilation": dilation,
        "padding": before + after,
        "circular": circular,
    }
