# SPDX-License-Identifier: Apache-2.0
"""Host and accelerator together: one call runs TVM's kernels and the accelerator's simulation in turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from gatewright.boards import Board
from gatewright.errors import DataError
from gatewright.fixed import Ints
from gatewright.graph import Folding, Length, checked_sequence
from gatewright.lower.partition import Partition, Segment, Site
from gatewright.lower.rtl import RtlDesign, lower
from gatewright.lower.tvm.compiled import Compiled
from gatewright.schedule import plan, tokens_at
from gatewright.scheduler.objectives import Objective
from gatewright.scheduler.problem import Plan
from gatewright.sim.executors import Job, executors


@dataclass(frozen=True, eq=False)
class Hybrid:
    """A partitioned graph, ready to run.

    Attributes:
        partition: which node runs where.
        board: that the accelerator's segments are planned for, each for itself.
        executor: what stands for the accelerator: "rtl" simulates it, "golden" is quicker.
        objective: what the foldings are to be, as in `gw.compile`.
    """

    partition: Partition
    board: Board
    executor: str = "rtl"
    objective: str | Objective = "rate"

    @cached_property
    def kernels(self) -> dict[int, Compiled]:
        """TVM's code of the host's segments, by their place."""
        return {k: Compiled.of(s.graph) for k, s in enumerate(self.partition.segments) if s.site is Site.HOST}

    @cached_property
    def foldings(self) -> dict[int, Mapping[str, Folding]]:
        """Foldings of the accelerator's segments, by their place."""
        segments = enumerate(self.partition.segments)
        taken = {k: s.graph for k, s in segments if s.site is Site.ACCELERATOR}
        return {k: _foldings(plan(graph, self.board, self.objective)) for k, graph in taken.items()}

    @cached_property
    def hardware(self) -> dict[int, RtlDesign]:
        """The accelerator's segments as RTL, by their place."""
        return {k: lower(self.partition.segments[k].graph, f) for k, f in self.foldings.items()}

    def run(self, *inputs: Sequence[Ints]) -> tuple[list[Ints], ...]:
        """Results for several sequences per graph input, in input order.

        Raises:
            DataError: no sequences, or one that does not fit its input.
        """
        graph = self.partition.graph
        if len(inputs) != len(graph.inputs) or not inputs[0]:
            raise DataError("inputs", f"{len(inputs)} lists", f"{len(graph.inputs)} lists of one sequence or more")
        values = {
            name: [checked_sequence(name, kind, s) for s in sequences]
            for (name, kind), sequences in zip(graph.inputs.items(), inputs, strict=True)
        }
        for place, segment in enumerate(self.partition.segments):
            given = [values[i] for i in segment.graph.inputs]
            run = self._on_host if segment.site is Site.HOST else self._on_accelerator
            values |= dict(zip(segment.outputs, run(place, segment, given), strict=True))
        return tuple(values[o] for o in graph.outputs)

    def _on_host(self, place: int, segment: Segment, inputs: Sequence[Sequence[Ints]]) -> Sequence[list[Ints]]:
        found = [self.kernels[place].run(*sequences) for sequences in zip(*inputs, strict=True)]
        return [[one[k] for one in found] for k in range(len(segment.outputs))]

    def _on_accelerator(self, place: int, segment: Segment, inputs: Sequence[Sequence[Ints]]) -> Sequence[list[Ints]]:
        graph = segment.graph
        first = next(iter(graph.inputs.values())).tokens
        symbols = [_symbol(first, len(s)) for s in inputs[0]]
        lengths = {o: [tokens_at(graph.types[o].tokens, n) for n in symbols] for o in graph.outputs}
        hardware = self.hardware[place] if self.executor != "golden" else None
        job = Job(graph, self.foldings[place], inputs, lengths, hardware=hardware)
        return executors()[self.executor](job).outputs


def _foldings(plan: Plan) -> Mapping[str, Folding]:
    return {name: choice.key for name, choice in plan.chosen.items()}


def _symbol(tokens: int | Length, count: int) -> int:
    """A value of the run-time symbol at which an edge has `count` tokens."""
    return count if isinstance(tokens, int) else count * tokens.stride - tokens.offset
