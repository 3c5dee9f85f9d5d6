# SPDX-License-Identifier: Apache-2.0
"""Regrouping of a stream into tokens of another size (flatten): wiring only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType


@dataclass(frozen=True)
class Reshape(Op):
    """The same channels in the same order, `channels` per token.

    Attributes:
        channels: a multiple of the input's channels that divides the whole, or a divisor of them.
    """

    channels: int

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if self.channels == x.channels:
            return x
        if not isinstance(x.tokens, int):
            raise GraphError(
                "reshape.channels",
                f"{self.channels} on {x.tokens} run-time tokens of {x.channels}",
                "a fixed number of tokens",
            )
        whole = x.tokens * x.channels
        nested = self.channels % x.channels == 0 or x.channels % self.channels == 0
        if not nested or whole % self.channels:
            raise GraphError(
                "reshape.channels",
                f"{self.channels} from {x.tokens} tokens of {x.channels}",
                "whole tokens merged or split evenly",
            )
        return TensorType(whole // self.channels, self.channels, x.fixed)

    def evaluate(self, *inputs: Ints) -> Ints:
        return inputs[0].reshape(-1, self.channels)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Reshape | None:
        (x,) = inputs
        if not isinstance(x.tokens, int):
            return None
        merged = [x.channels * k for k in range(2, x.tokens + 1) if x.tokens % k == 0]
        split = [c for c in range(1, x.channels) if x.channels % c == 0]
        options = [c for c in merged + split if c <= 96 and x.tokens * x.channels // c <= 128]
        return cls(int(rng.choice(options))) if options else None

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return inputs[0].reshape(-1, self.channels)

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        return inputs[0][1].reshape(-1, self.channels)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        yield Folding()

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        return Cost()

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        (x,) = inputs
        outputs = np.arange(tokens * x.channels // self.channels)
        need = ((outputs + 1) * self.channels - 1) // x.channels
        return [Stage(need, 0, 0)]

    def ports(self, folding: Folding, *inputs: TensorType) -> tuple[int, int]:
        return 0, 0

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance | None:
        return None
