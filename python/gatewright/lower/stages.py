# SPDX-License-Identifier: Apache-2.0
"""Operators of a lowered graph as stages of the cycle model, with the width changes and FIFOs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import gcd

import numpy as np

from gatewright.graph import Folding, Graph, Instance, Node, Stage, TensorType
from gatewright.lower.depths import Depth
from gatewright.scheduler.pipeline import LINK, NOTHING, Operator, Source

FIFO_LATENCY = 2
"""Cycles through an empty `stream_fifo`: memory and output register."""
LANE_LATENCY = 12
"""Most cycles through an operator that works beat by beat."""
SLICE = 2
"""Beats that a register slice holds; every operator ends with one."""

Kinds = tuple[tuple[Stage, ...], ...]
"""Stages per kind of sequence."""


@dataclass(frozen=True)
class Value:
    """A stream.

    Attributes:
        counts: tokens per kind of sequence.
        channels: of a token.
        lanes: channels per beat.
        pace: cycles between two tokens, at full speed.
        spread: cycles between the first and the last beat of a token.
        held: channels that the register slices since the last operator that keeps tokens hold.
    """

    counts: tuple[int, ...]
    channels: int
    lanes: int
    pace: int
    spread: int
    held: int

    @property
    def beats(self) -> int:
        """Beats per token."""
        return self.channels // self.lanes

    @staticmethod
    def outside(counts: tuple[int, ...], channels: int, lanes: int) -> Value:
        """What comes from outside, a beat per cycle."""
        beats = channels // lanes
        return Value(counts, channels, lanes, beats, beats - 1, SLICE * lanes)


@dataclass
class Walk:
    """Operators collected along a graph."""

    graph: Graph
    foldings: Mapping[str, Folding]
    instances: Mapping[str, Instance]
    queues: Mapping[tuple[str, int], Depth]
    values: dict[str, Value]
    operators: list[Operator] = field(default_factory=list)

    def add(self, node: Node) -> None:
        """One node behind what stands at its inputs."""
        types, first = self.graph.input_types(node), self.values[node.inputs[0]]
        if first.channels > types[0].channels:
            # A reshape of what comes from outside in such tokens already.
            self.operators.append(
                Operator(node.name, node.inputs, tuple((Stage(np.arange(n), 0, 0),) for n in first.counts))
            )
            self.values[node.name] = first
            return
        stages = tuple(tuple(node.op.stages(self.foldings[node.name], n, *types)) for n in first.counts)
        counts = tuple(len(k[-1].need) if k else n for k, n in zip(stages, first.counts, strict=True))
        instance, channels = self.instances.get(node.name), self.graph.types[node.name].channels
        if instance is None:
            self.operators.append(Operator(node.name, node.inputs, stages))
            pace = first.pace * first.counts[0] // counts[0]
            self.values[node.name] = replace(first, counts=counts, channels=channels, pace=pace)
            return
        in_turn = _in_turn(stages, first.counts)
        # Whatever collects a token first takes longer.
        streams = in_turn and set(instance.in_lanes) == {instance.out_lanes} and stages[0][0].latency <= LANE_LATENCY
        slow = _interval(stages[0]) if in_turn and not streams else 0
        lead = _leads(types, instance.in_lanes) if node.op.in_series else (0,) * len(types)
        inputs = [self.link((node.name, i), v, instance.in_lanes[i], slow, lead[i]) for i, v in enumerate(node.inputs)]
        out = Value.outside(counts, channels, instance.out_lanes)
        self._place(node.name, inputs, stages, out, streams)

    def link(self, at: tuple[str, int], name: str, wanted: int, slow: int = 0, lead: int = 0) -> str:
        """What stands between a value and an operator that reads it: width change and FIFO, or nothing.

        Args:
            slow: cycles per token of an operator that keeps tokens.
            lead: cycles that a token's last beat has to be there before the operator is done with the token.
        """
        depth, value = self.queues.get(at), self.values[name]
        if depth is None and value.lanes == wanted and not lead:
            return name
        # A change between lanes of which neither divides the other goes through their common divisor.
        narrow, latency, held = gcd(value.lanes, wanted), lead, LINK
        if value.lanes > narrow:
            # The final beat is shifted out part by part, behind all parts before it.
            latency += max(value.lanes // narrow, value.channels // narrow - value.spread)
        if wanted > narrow:
            latency += 1
        made, interval = f"{at[0]}.{at[1]}", value.channels // narrow
        out = Value.outside(value.counts, value.channels, wanted)
        if depth is None or value.lanes == wanted:
            held += depth.tokens if depth else 0
            latency += FIFO_LATENCY if depth else 0
            stages: Kinds = tuple((Stage(np.arange(n), interval, latency, value.beats, held),) for n in value.counts)
        else:
            # What waits in the FIFO has its new width already, and leaves faster than it came.
            stages = tuple(
                (
                    Stage(np.arange(n), interval, latency, value.beats, held),
                    Stage(np.arange(n), out.beats, FIFO_LATENCY, out.beats, depth.tokens),
                )
                for n in value.counts
            )
        self._place(made, [name], stages, out, depth is None and out.beats > 1, slow)
        return made

    def _place(self, name: str, inputs: Sequence[str], stages: Kinds, out: Value, streams: bool, slow: int = 0) -> None:
        """An operator on values of its own lanes.

        Args:
            streams: it passes beats on as they come.
            slow: cycles per token of what reads it and keeps tokens.
        """
        shown, before = stages[0], [self.values[v] for v in inputs]
        interval = _interval(shown)
        pace, held = max([interval, *(v.pace for v in before)]), out.held
        spread = (out.beats - 1) * max(int(np.max(shown[-1].interval)), out.beats) // out.beats
        if streams:
            spread = max([spread, *(v.spread for v in before)])
        if streams and len(inputs) == 1 and interval <= max(before[0].pace, slow):
            stages = tuple((replace(stage, ahead=NOTHING),) for (stage,) in stages)
            # A change of width in between does not change what the wider slices before it hold.
            held += before[0].held
        # What starts when a whole token is in collects the next one meanwhile.
        spare = int(shown[0].latency >= interval)
        room = (max(1, spare + v.held // v.channels) for v in before)
        self.operators.append(Operator(name, tuple(inputs), stages, tuple(room)))
        self.values[name] = replace(out, pace=pace, spread=spread, held=held)

    def source(self, name: str) -> Source:
        """The stream of a value that comes from outside."""
        return Source(name, self.values[name].counts, self.values[name].beats)

    def take(self) -> tuple[Operator, ...]:
        """The operators collected so far, which are then forgotten."""
        found, self.operators = tuple(self.operators), []
        return found


def _leads(types: Sequence[TensorType], lanes: Sequence[int]) -> tuple[int, ...]:
    """Beats per token of all inputs behind each one, which only follow its last beat."""
    beats = [t.channels // n for t, n in zip(types, lanes, strict=True)]
    return tuple(sum(beats[i + 1 :]) for i in range(len(beats)))


def _interval(stages: Sequence[Stage]) -> int:
    """Cycles between two tokens of the slowest stage."""
    return max((int(np.max(stage.interval)) for stage in stages), default=0)


def _in_turn(stages: Kinds, counts: Sequence[int]) -> bool:
    """One stage, token for token."""
    pairs = zip(stages, counts, strict=True)
    return all(len(kind) == 1 and np.array_equal(kind[0].need, np.arange(n)) for kind, n in pairs)
