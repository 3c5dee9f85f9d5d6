# SPDX-License-Identifier: Apache-2.0
"""Activation functions as piecewise-linear tables: GELU, SiLU, sigmoid, tanh, exponential and others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Floats, Ints
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._functions import FUNCTIONS, SOFTPLUS_LINEAR, Kind
from gatewright.ops._lanes import SKID_LATENCY, check_lanes, lane_foldings, lane_stage
from gatewright.ops._matrix import sample_fixed
from gatewright.ops._piecewise import Table, fit
from gatewright.ops._piecewise_rtl import latency, pipeline_cost, spell

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

SAMPLED_BITS = 10
"""Widest input whose table `sample` fits; wider ones get lines at random, which hardware cannot tell apart."""


def default_segments(x: Fixed) -> int:
    """Segments that `Pwl.of` allows: 32, or 16 for inputs of at most 8 bits."""
    return 16 if x.width <= 8 else 32


@dataclass(frozen=True, eq=False)
class Pwl(Op):
    """`y = sat((slopes[i] * x + offsets[i] + 2**(shift - 1)) >> shift)` with `i = #{j : knots[j] <= x}`.

    Attributes:
        kind: the real function that the table stands for.
        knots: [segments - 1] rising inputs, none of them the least of the format.
        slopes, offsets: [segments] integers.
        shift: right shift of the sum.
        output: format of the result.
        error: largest distance of a result from the function, in output steps, over all inputs.
    """

    torch: ClassVar[tuple[str, ...]] = (
        "aten.gelu.default",
        "aten.silu.default",
        "aten.mish.default",
        "aten.sigmoid.default",
        "aten.tanh.default",
        "aten.exp.default",
        "aten.softplus.default",
        "aten.hardswish.default",
        "aten.hardsigmoid.default",
        "aten.relu6.default",
        "aten.hardtanh.default",
    )
    free_points: ClassVar[bool] = True
    each_token: ClassVar[bool] = True

    kind: Kind
    knots: Ints
    slopes: Ints
    offsets: Ints
    shift: int
    output: Fixed
    error: float = 0.0

    def __post_init__(self) -> None:
        # A saved graph holds the plain string.
        object.__setattr__(self, "kind", Kind(self.kind))
        assert self.table

    @property
    def table(self) -> Table:
        """The table by itself."""
        return Table(self.knots, self.slopes, self.offsets, self.shift, self.error)

    @classmethod
    def of(cls, kind: Kind, x: Fixed, output: Fixed, segments: int | None = None) -> Pwl:
        """The best table of at most `segments` lines for inputs of format `x`."""
        table = fit(FUNCTIONS[kind].value, x, output, segments or default_segments(x))
        return cls(kind, table.knots, table.slopes, table.offsets, table.shift, output, table.error)

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if not np.all((self.knots > x.fixed.lo) & (self.knots <= x.fixed.hi)):
            span = f"{self.knots.min()} to {self.knots.max()}"
            raise GraphError(
                "pwl.knots", f"{span} for {x.fixed}", f"{x.fixed.lo + 1} to {x.fixed.hi}", "fit a new table"
            )
        self.table.widths(x.fixed)
        return TensorType(x.tokens, x.channels, self.output)

    def evaluate(self, *inputs: Ints) -> Ints:
        return self.table.evaluate(inputs[0], self.output)

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Pwl:
        form = inputs[0].fixed
        kind, output = list(Kind)[int(rng.integers(len(Kind)))], sample_fixed(rng)
        segments = min(int(rng.integers(1, 33)), form.hi - form.lo + 1)
        if form.width <= SAMPLED_BITS:
            return cls.of(kind, form, output, segments)
        knots = form.lo + 1 + np.sort(rng.choice(form.hi - form.lo, segments - 1, replace=False))
        shift = int(rng.integers(0, form.width))
        slopes = rng.integers(-(1 << shift), (1 << shift) + 1, segments, dtype=np.int64)
        offsets = rng.integers(-(1 << (shift + 4)), 1 << (shift + 4), segments, dtype=np.int64)
        return cls(kind, knots.astype(np.int64), slopes, offsets, shift, output, float(1 << output.width))

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        return FUNCTIONS[self.kind].value(inputs[0])

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        ((value, error),) = inputs
        ideal = reference.then(self.real([value], reference))
        inside = np.clip(ideal, *self.output.dequantize(np.array([self.output.lo, self.output.hi])))
        # The table follows the saturated function to within its error.
        own = self.error * self.output.ulp + np.abs(ideal - inside)
        spread = error * FUNCTIONS[self.kind].steepest(value - error, value + error)
        if reference.rounded is not None:
            spread = np.where(spread > 0, spread + reference.rounded.ulp, 0.0)
        return own + spread

    @classmethod
    def from_torch(cls, call: TorchCall) -> Pwl:
        return cls.of(_kind(call), call.input().fixed, call.output)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        out = folding.lanes * self.output.width
        pipeline = pipeline_cost(folding.lanes, self.table, inputs[0].fixed, self.output, folding.banks)
        return pipeline + Cost(lut=out, ff=2 * out)

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        return [lane_stage(folding, tokens, inputs[0], latency([self.table]) + SKID_LATENCY)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        return self.rtl_banked(folding, [self], [inputs])

    @classmethod
    def rtl_banked(cls, folding: Folding, ops: Sequence[Pwl], inputs: Sequence[tuple[TensorType, ...]]) -> Instance:
        check_lanes(folding.lanes, inputs[0][0].channels)
        forms = [x.fixed for (x,) in inputs]
        parameters, rows = spell([op.table for op in ops], forms, [op.output for op in ops])
        return Instance(
            "pwl", {"Lanes": folding.lanes, **parameters}, (folding.lanes,), folding.lanes, (rows,), banked=True
        )


def _kind(call: TorchCall) -> Kind:
    """Which function a call is; refuses arguments that change it."""
    name = call.target.split(".")[1]

    def fixed_at(attribute: str, value: float) -> None:
        if call.arg(attribute) != value:
            call.refuse(attribute, call.arg(attribute), f"{value:g}")

    if name == "gelu" and call.arg("approximate") == "tanh":
        return Kind.GELU_TANH
    if name == "softplus":
        fixed_at("beta", 1)
        fixed_at("threshold", SOFTPLUS_LINEAR)
    if name == "hardtanh":
        bounds = (call.arg("min_val"), call.arg("max_val"))
        if bounds == (0, 6):
            return Kind.RELU6
        if bounds != (-1, 1):
            call.refuse("min_val, max_val", bounds, "-1, 1 or 0, 6")
    return Kind(name)
