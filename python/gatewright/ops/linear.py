# SPDX-License-Identifier: Apache-2.0
"""Matrix-vector product per token, with bias and requantisation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops import _codebook
from gatewright.ops._bounds import matrix_bound, matrix_real
from gatewright.ops._matrix import Matrix
from gatewright.ops._matrix_cost import matrix_cost
from gatewright.ops._matrix_rtl import spell

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall


@dataclass(frozen=True, eq=False)
class Linear(Op):
    """`y = requantize(W x + b)` for every token.

    Attributes:
        weight: [out, in / groups] signed integers.
        bias: [out] integers at the accumulator's binary point.
        shift: [out] right shift from the accumulator to `output`; weights may so have one binary
            point per output channel.
        weight_width: bits of a weight, 1 to 16.
        output: format of the result.
        groups: channel groups that do not mix; input and output channels are group-major.
        codebook: [entries, d] integers: at each input, every d neighbouring outputs of a group have one of the entries
            as weights, so that hardware may store indices; None for weights of any kind. `weight` is the meaning.
        coded: indices are stored in every folding, not only where the cost model says that it pays.
    """

    torch: ClassVar[tuple[str, ...]] = ("aten.linear.default", "aten.batch_norm.default")
    free_points: ClassVar[bool] = True
    each_token: ClassVar[bool] = True

    weight: Ints
    bias: Ints
    shift: Ints
    weight_width: int
    output: Fixed
    groups: int = 1
    codebook: Ints | None = None
    coded: bool = field(default=False, repr=False)

    def matrix(self, x: Fixed) -> Matrix:
        """The matrix unit for inputs of format `x`."""
        if x not in self._matrices:
            rows = self.weight.reshape(self.groups, -1, self.weight.shape[1])
            storage = (self.codebook, self.coded)
            self._matrices[x] = Matrix(rows, self.bias, self.shift, self.weight_width, x, self.output, *storage)
        return self._matrices[x]

    @cached_property
    def _matrices(self) -> dict[Fixed, Matrix]:
        """Those made so far: checking a large one takes a while, and the folding search asks thousands of times."""
        return {}

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if x.channels != self.weight.shape[1] * self.groups:
            raise GraphError(
                "linear.weight",
                f"[{self.weight.shape[0]}, {self.weight.shape[1]}] x {self.groups} groups on {x.channels} channels",
                f"in = {x.channels // self.groups}",
            )
        if self.weight.shape[0] % self.groups:
            raise GraphError("linear.groups", f"{self.groups}", f"a divisor of {self.weight.shape[0]}")
        self.matrix(x.fixed).check_codebook()
        return TensorType(x.tokens, self.weight.shape[0], self.output)

    def evaluate(self, *inputs: Ints) -> Ints:
        (x,) = inputs
        # The edge's format does not change the sums; `infer` has checked that they fit.
        return self.matrix(Fixed(1, 0)).evaluate(x.reshape(len(x), self.groups, -1))

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Linear:
        (x,) = inputs
        groups = int(rng.choice([g for g in (1, 1, 2, 3, x.channels) if x.channels % g == 0]))
        outs = groups * int(rng.integers(1, 9))
        terms = x.channels // groups
        found = Matrix.sample(rng, x.fixed, (outs, terms), terms)
        return cls(**_codebook.sample(rng, found, groups), groups=groups)

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return matrix_real(self._vectors(inputs[0]), reference)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        value, error = (self._vectors(part) for part in inputs[0])
        return matrix_bound(value, error, output, reference, self.output, self.shift)

    def _vectors(self, values: Floats) -> Floats:
        """[tokens, channels] -> [tokens, groups, in per group]."""
        return values.reshape(len(values), self.groups, -1)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Linear:
        if call.target == "aten.batch_norm.default":
            return cls._batch_norm(call)
        weight, bias = call.arg("weight"), call.arg("bias")
        columns = weight[:, call.features()]
        output = call.output
        found = call.weights(columns, bias, call.input().fixed, output)
        return cls(*found, output, **call.storage(found[0], found[3]))

    @classmethod
    def _batch_norm(cls, call: TorchCall) -> Linear:
        """One weight per channel: a group of its own."""
        if call.arg("training") or call.arg("running_mean") is None:
            call.refuse("training", "batch statistics", "running statistics, in evaluation mode")
        gain, shift, mean, variance = (call.arg(a) for a in ("weight", "bias", "running_mean", "running_var"))
        scale = (1.0 if gain is None else gain) / np.sqrt(variance + call.arg("eps"))
        offset = (0.0 if shift is None else shift) - mean * scale
        rows = [
            call.per_channel(a, v.reshape(-1, *[1] * (len(call.shape) - 2)))
            for a, v in (("weight", scale), ("bias", offset))
        ]
        output = call.output
        return cls(*call.weights(rows[0][:, None], rows[1], call.input().fixed, output), output, groups=len(rows[0]))

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return self.matrix(inputs[0].fixed).foldings()

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        return matrix_cost(self.matrix(inputs[0].fixed), folding)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return self.matrix(inputs[0].fixed).stages(folding, np.arange(tokens))

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        return folding.simd, folding.pe

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        return self.rtl_banked(folding, [self], [inputs])

    @classmethod
    def rtl_banked(cls, folding: Folding, ops: Sequence[Linear], inputs: Sequence[tuple[TensorType, ...]]) -> Instance:
        matrices = [op.matrix(x.fixed) for op, (x,) in zip(ops, inputs, strict=True)]
        parameters, memory = spell(folding, matrices)
        return Instance("linear", parameters, (folding.simd,), folding.pe, memory, banked=True)
