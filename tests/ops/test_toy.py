# SPDX-License-Identifier: Apache-2.0
"""Adding an operator: this file, `toy/negate.sv` and `toy/negate.hpp` are all there is. No central file knows of it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from harness import check_operator

from gatewright.fixed import Fixed, Ints
from gatewright.graph import Cost, Folding, Instance, Length, Op, Stage, TensorType
from gatewright.lower.hls.kernel import Kernel
from gatewright.ops._lanes import lane_foldings, lane_stage


@dataclass(frozen=True)
class Negate(Op):
    """`y = -x`."""

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        return replace(x, fixed=Fixed(x.fixed.width + 1, x.fixed.frac))

    def evaluate(self, *inputs: Ints) -> Ints:
        return -inputs[0]

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        return Cost(lut=folding.lanes * inputs[0].fixed.width)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return [lane_stage(folding, tokens, inputs[0])]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        return Instance(
            "negate",
            {"Lanes": folding.lanes, "Width": inputs[0].fixed.width},
            (folding.lanes,),
            folding.lanes,
            sources=(Path(__file__).parent / "toy" / "negate.sv",),
        )

    def hls(self, folding: Folding, *inputs: TensorType) -> Kernel:
        header = Path(__file__).parent / "toy" / "negate.hpp"
        return Kernel("negate", {"channels": inputs[0].channels}, (folding.lanes,), folding.lanes, header=header)


def test_toy_operator_runs_in_every_executor() -> None:
    check_operator(Negate(), TensorType(Length("n", 7), 6, Fixed(5, 2)))


def test_the_harness_sees_a_wrong_operator() -> None:
    """The comparison can fail: golden is changed behind the hardware's back."""

    @dataclass(frozen=True)
    class Wrong(Negate):
        def evaluate(self, *inputs: Ints) -> Ints:
            return -inputs[0] - (inputs[0] == 3)

    try:
        with pytest.raises(AssertionError, match="differ from golden"):
            check_operator(Wrong(), TensorType(Length("n", 7), 6, Fixed(5, 2)), every_executor=False)
    finally:
        del Op.known["wrong"]
