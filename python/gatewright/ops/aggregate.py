# SPDX-License-Identifier: Apache-2.0
"""Aggregation over the edges of a graph: the tokens of a sequence are its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, accumulator, requantize
from gatewright.graph import Cost, Folding, Instance, Op, Reference, Stage, TensorType
from gatewright.ops._lanes import check_lanes, lane_foldings
from gatewright.ops._matrix import sample_fixed
from gatewright.ops._memory_cost import CHAIN_SKID
from gatewright.ops._piecewise_rtl import pack
from gatewright.ops._window import memory_cost
from gatewright.scheduler.pipeline import Memory

if TYPE_CHECKING:
    from gatewright.frontend.call import TorchCall

LATENCY = 8
"""Cycles from the graph's last beat to its first result, without the work on the first node."""
RELEASE = 4
"""Cycles from a memory of tokens being free to the departure of the last result that it made."""


@dataclass(frozen=True, eq=False)
class Aggregate(Op):
    """`y[t] = requantize(sum of a * x[s] over the edges s -> t with coefficient a, shift)`; 0 at nodes without edges.

    A product with a constant sparse matrix from the left. Edges lie ordered by the node where they end, as a compressed
    sparse matrix. They are data: another graph can be loaded as long as it fits `capacity` and `degree`.

    Attributes:
        starts: [nodes + 1] edges starts[t] to starts[t + 1] - 1 end at node t.
        sources: [edges] node where each begins.
        coefficients: [edges] signed integers.
        coefficient_width: bits of a coefficient, 1 to 16.
        shift: coefficients' frac plus the input's frac minus the output's.
        output: format of the result.
        capacity: edges, one for each node without any included, that the hardware has memory for; 0 for just these.
        degree: most edges that end at a node, as sums have room for; 0 for just these.
    """

    torch: ClassVar[tuple[str, ...]] = ("gatewright.aggregate.default",)

    starts: Ints
    sources: Ints
    coefficients: Ints
    coefficient_width: int
    shift: int
    output: Fixed
    capacity: int = 0
    degree: int = 0

    @property
    def nodes(self) -> int:
        """Of the graph."""
        return len(self.starts) - 1

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        self._check_edges()
        if x.tokens != self.nodes:
            raise GraphError(
                "aggregate", f"{x.tokens} tokens for a graph of {self.nodes} nodes", "as many, in every sequence"
            )
        for name, least in (("capacity", self.rows), ("degree", self.widest)):
            given = getattr(self, name)
            if given and given < least:
                raise GraphError(f"aggregate.{name}", f"{given}", f"0, or {least} and up for this graph")
        if self.accumulator(x.fixed).width + max(0, -self.shift) > MAX_WIDTH:
            raise GraphError("aggregate", "sums that are too wide", f"{MAX_WIDTH} bits", "use narrower activations")
        return TensorType(x.tokens, x.channels, self.output)

    def _check_edges(self) -> None:
        steps = np.diff(self.starts)
        if self.nodes < 1 or self.starts[0] != 0 or np.any(steps < 0) or self.starts[-1] != len(self.sources):
            raise GraphError("aggregate.starts", f"{self.starts.shape}", "[nodes + 1], 0 to the edges, never falling")
        if np.any((self.sources < 0) | (self.sources >= self.nodes)):
            raise GraphError("aggregate.sources", f"{self.sources.min()} to {self.sources.max()}", "node numbers")
        if not 1 <= self.coefficient_width <= 16:
            raise GraphError("aggregate.coefficient_width", f"{self.coefficient_width}", "1 to 16 bits")
        form = Fixed(self.coefficient_width, 0)
        if self.coefficients.shape != self.sources.shape or not form.contains(self.coefficients):
            span = f"{self.coefficients.shape} up to {np.abs(self.coefficients).max(initial=0)}"
            raise GraphError("aggregate.coefficients", span, f"{self.sources.shape} of {form.width} bits")

    @cached_property
    def targets(self) -> Ints:
        """[edges] node where each ends."""
        return np.repeat(np.arange(self.nodes), np.diff(self.starts))

    @cached_property
    def per_node(self) -> Ints:
        """[nodes] rows of work: the edges that end there, at least one."""
        return np.maximum(np.diff(self.starts), 1)

    @property
    def rows(self) -> int:
        """Of work: edges, and one for each node without any."""
        return int(self.per_node.sum())

    @property
    def widest(self) -> int:
        """Most edges that end at one node; at least 1."""
        return int(self.per_node.max())

    def accumulator(self, x: Fixed) -> Fixed:
        """Format of the sums, exact for any graph that may be loaded."""
        return accumulator(x, Fixed(self.coefficient_width, 0), self.degree or self.widest)

    def work(self) -> tuple[Ints, Ints, Ints]:
        """Per row: node to read, coefficient, and whether the row is its node's last; a node without edges adds 0."""
        ends = np.cumsum(self.per_node)
        # Row of each edge: nodes without edges before it have moved it back.
        at = np.arange(len(self.sources)) + np.cumsum(np.diff(self.starts) == 0)[self.targets]
        sources, coefficients, last = (np.zeros(self.rows, np.int64) for _ in range(3))
        sources[at], coefficients[at], last[ends - 1] = self.sources, self.coefficients, 1
        return sources, coefficients, last

    def evaluate(self, *inputs: Ints) -> Ints:
        (x,) = inputs
        return requantize(self._sums(x, self.coefficients), self.shift, self.output)

    def _sums(self, x: Ints, coefficients: Ints) -> Ints:
        found = np.zeros((self.nodes, x.shape[1]), np.result_type(x, coefficients))
        np.add.at(found, self.targets, coefficients[:, None] * x[self.sources])
        return found

    @classmethod
    def sample(cls, rng: np.random.Generator, *inputs: TensorType) -> Aggregate | None:
        (x,) = inputs
        if not isinstance(x.tokens, int):
            return None
        width, nodes = int(rng.integers(2, 11)), x.tokens
        counts = rng.integers(0, int(rng.integers(1, 6)) + 1, nodes)
        edges, top = int(counts.sum()), 1 << (width - 1)
        starts = np.concatenate([[0], np.cumsum(counts)])
        output = sample_fixed(rng)
        shift = max(-1, width + x.fixed.width - output.width - int(rng.integers(0, 4)))
        room = {"capacity": int(np.maximum(counts, 1).sum()) + 3, "degree": 6} if rng.random() < 0.5 else {}
        values = rng.integers(-top, top, edges, dtype=np.int64)
        return cls(starts, rng.integers(0, nodes, edges), values, width, shift, output, **room)

    def real(self, inputs: Sequence[Floats], reference: Reference) -> Floats:
        found = np.zeros_like(inputs[0])
        np.add.at(found, self.targets, reference.constants["weight"].reshape(-1, 1) * inputs[0][self.sources])
        return found

    def error_bound(self, inputs: Sequence[tuple[Floats, Floats]], output: Floats, reference: Reference) -> Floats:
        ((x, error),) = inputs
        own, spread = np.zeros_like(x), np.zeros_like(x)
        np.add.at(own, self.targets, reference.errors["weight"].reshape(-1, 1) * np.abs(x)[self.sources])
        weight = np.abs(reference.constants["weight"]).reshape(-1, 1)
        np.add.at(spread, self.targets, weight * error[self.sources])
        return reference.bound(self.output, self.real([x], reference), output, own, spread, self.shift > 0)

    @classmethod
    def from_torch(cls, call: TorchCall) -> Aggregate:
        call.activations(1, "edges", "a graph that does not change")
        call.vectors()
        view, x, output = call.values[0].view, call.input(), call.output
        if len(view.dims) != 3 or view.dims[1] != view.tokens:
            call.refuse("input", f"shape {list(view.shape)}", "[N, nodes, channels]")
        starts, sources = (np.asarray(call.arg(n), np.int64) for n in ("starts", "sources"))
        # One row of weights: all edges share a binary point.
        row = np.asarray(call.arg("coefficients"), np.float64).reshape(1, -1)
        if not row.size:
            call.refuse("edges", "none", "at least one edge")
        weight, _, shift, width = call.weights(row, None, x.fixed, output)
        room = {n: int(call.arg(n)) for n in ("capacity", "degree")}
        return cls(starts, sources, weight[0], width, int(shift[0]), output, **room)

    def foldings(self, *inputs: TensorType) -> Iterator[Folding]:
        return lane_foldings(inputs[0].channels)

    def cost(self, folding: Folding, *inputs: TensorType) -> Cost:
        (x,), lanes = inputs, folding.lanes
        beats, wide, total = x.channels // lanes, self.accumulator(x.fixed).width, Cost(lut=60, ff=60)
        blocks = 1 if self.coefficient_width > 2 and x.fixed.width > 2 else 0
        # The multiplier blocks take in the registers of their operands and products.
        lane = Cost(lut=wide + 3 * self.output.width, ff=wide + 2 * self.output.width, dsp=blocks)
        for _ in range(lanes):
            total += lane
        rows, row = self.capacity or self.rows, sum(self._row_widths(beats))
        total += memory_cost(lanes * x.fixed.width, 2 * self.nodes * beats)
        total += CHAIN_SKID + memory_cost(row, rows) + Cost(lut=row, ff=2 * row)
        if beats > 1:
            total += Cost(lut=memory_cost(lanes * wide, beats).lut)
        return total

    def _row_widths(self, beats: int) -> list[int]:
        """Bits of the fields of a row: address of the token's first beat, coefficient, last."""
        return [max(1, (self.nodes * beats - 1).bit_length()), self.coefficient_width, 1]

    def stages(self, folding: Folding, tokens: int, *inputs: TensorType) -> list[Stage]:
        beats = inputs[0].channels // folding.lanes
        intervals = self.per_node * beats
        # What waits for a free memory is a token's first beat, and times are those of its last one.
        memory = Memory(2, tokens, 2, RELEASE - (beats - 1))
        latency = LATENCY + int(intervals[0])
        return [Stage(np.full(tokens, tokens - 1), intervals, latency, beats, memory=memory)]

    def rtl(self, folding: Folding, *inputs: TensorType) -> Instance:
        (x,), lanes = inputs, folding.lanes
        check_lanes(lanes, x.channels)
        beats, capacity = x.channels // lanes, self.capacity or self.rows
        sources, coefficients, last = self.work()
        spare = (0, capacity - self.rows)
        columns = [np.pad(v, spare) for v in (sources * beats, coefficients, last)]
        parameters = {
            "Lanes": lanes,
            "Beats": beats,
            "Nodes": self.nodes,
            "Rows": capacity,
            "InWidth": x.fixed.width,
            "InSigned": int(x.fixed.signed),
            "CoefficientWidth": self.coefficient_width,
            "AccWidth": self.accumulator(x.fixed).width,
            "Shift": self.shift,
            "OutWidth": self.output.width,
            "OutSigned": int(self.output.signed),
        }
        count = pack([np.array([self.rows - 1])], [max(1, (capacity - 1).bit_length())])
        return Instance("aggregate", parameters, (lanes,), lanes, (count, pack(columns, self._row_widths(beats))))

    def on(self, starts: Ints, sources: Ints, coefficients: Ints) -> Aggregate:
        """The same hardware with another graph of as many nodes: `capacity` and `degree` are those of this one."""
        room = (self.capacity or self.rows, self.degree or self.widest)
        found = replace(self, starts=starts, sources=sources, coefficients=coefficients)
        return replace(found, capacity=room[0], degree=room[1])
