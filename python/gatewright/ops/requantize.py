# SPDX-License-Identifier: Apache-2.0
"""Change of format: the only rounding there is, on its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._lanes import check_lanes, lane_foldings, lane_stage

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall
from gatewright.ops._matrix import sample_fixed


@dataclass(frozen=True)
class Requantize(Op):
    """`y = sat((x + 2**(shift - 1)) >> shift)`: round half up, saturate to `output`.

    Attributes:
        shift: input frac minus output frac; negative shifts left.
        output: format of the result.
    """

    torch: ClassVar[tuple[str, ...]] = (
        "aten.fake_quantize_per_tensor_affine.default",
        "aten.fake_quantize_per_tensor_affine.tensor_qparams",
        "gatewright.fake_quantize.default",
    )
    each_token: ClassVar[bool] = True

    shift: int
    output: Fixed

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if x.fixed.frac - self.shift != self.output.frac:
            raise GraphError(
                "requantize.shift",
                f"{self.shift} from {x.fixed} to {self.output}",
                f"{x.fixed.frac - self.output.frac}",
            )
        return TensorType(x.tokens, x.channels, self.output)

    def evaluate(self, *inputs: Ints) -> Ints:
        return requantize(inputs[0], self.shift, self.output)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Requantize:
        shift = int(rng.integers(-3, 8))
        return cls(shift, sample_fixed(rng, inputs[0].fixed.frac - shift))

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return inputs[0]

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        ((value, error),) = inputs
        return reference.bound(self.output, value, output, np.zeros(()), error, self.shift > 0)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Requantize:
        # The front end has read the format from the call, and refused what is no fixed-point format.
        return cls(call.input().fixed.frac - call.output.frac, call.output)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        x = inputs[0].fixed
        return Cost(
            lut=folding.lanes * (x.width + 2 * self.output.width) + 4, ff=folding.lanes * 2 * self.output.width + 4
        )

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return [lane_stage(folding, tokens, inputs[0])]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,) = inputs
        check_lanes(folding.lanes, x.channels)
        return Instance(
            "requantize",
            {
                "Lanes": folding.lanes,
                "InWidth": x.fixed.width,
                "InSigned": int(x.fixed.signed),
                "Shift": self.shift,
                "OutWidth": self.output.width,
                "OutSigned": int(self.output.signed),
            },
            (folding.lanes,),
            folding.lanes,
        )
