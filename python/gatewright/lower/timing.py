# SPDX-License-Identifier: Apache-2.0
"""Cycles of a lowered design: its pipeline for the scheduler, and the ring of its loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gatewright.errors import DataError
from gatewright.graph import Folding, Graph, Instance, Stage, most_tokens
from gatewright.lower.depths import depths
from gatewright.lower.network import boundary_lanes
from gatewright.lower.rtl import RtlDesign
from gatewright.lower.stages import Value, Walk
from gatewright.ops.loop import Loop
from gatewright.ops.reshape import Reshape
from gatewright.schedule import inside
from gatewright.scheduler.cycles import Prediction, predict
from gatewright.scheduler.flow import in_order
from gatewright.scheduler.machine import Looped, Machine, Streaming
from gatewright.scheduler.pipeline import Operator, Pipeline, Source
from gatewright.scheduler.ring import Ring

GUARD_LATENCY = 5
"""Cycles from the last beat of a sequence into `sequence_guard` to its first beat out."""
OUTSIDE = "0outside"
"""What comes to the guard; no value of a graph has such a name."""


def _walk(graph: Graph, foldings: Mapping[str, Folding], design: RtlDesign, lengths: Sequence[Sequence[int]]) -> Walk:
    values = {}
    for i, port in enumerate(design.inputs):
        channels = _grouped(graph, port.value, port.lanes)
        counts = tuple(kind[i] * port.kind.channels // channels for kind in lengths)
        values[port.value] = Value.outside(counts, channels, port.lanes)
    return Walk(graph, foldings, design.instances, design.depths, values)


def _grouped(graph: Graph, value: str, lanes: int) -> int:
    """Channels of an input's tokens; behind a reshape if a beat carries several of them."""
    channels = graph.types[value].channels
    users = graph.users[value]
    if channels < lanes and len(users) == 1 and isinstance(graph.node(users[0][0]).op, Reshape):
        return _grouped(graph, users[0][0], lanes)
    return channels


def pipeline(
    graph: Graph, foldings: Mapping[str, Folding], design: RtlDesign, lengths: Sequence[Sequence[int]]
) -> Pipeline:
    """The cycle model of `design`, which has no loop.

    Args:
        lengths: per kind of sequence, the tokens of each graph input.
    """
    walk = _walk(graph, foldings, design, lengths)
    for node in graph.nodes:
        walk.add(node)
    return Pipeline(tuple(map(walk.source, graph.inputs)), walk.take(), graph.outputs)


def looped(
    graph: Graph, foldings: Mapping[str, Folding], design: RtlDesign, lengths: Sequence[Sequence[int]]
) -> Looped:
    """The cycle model of a `design` with one loop, through which everything passes.

    Args:
        lengths: as in `pipeline`.

    Raises:
        DataError: there are more loops, or something passes by the loop.
    """
    loops = [node for node in graph.nodes if isinstance(node.op, Loop)]
    if len(loops) != 1 or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        problem = f"{len(loops)} loops, {len(graph.inputs)} inputs, {len(graph.outputs)} outputs"
        raise DataError(f"graph {graph.name}", problem, "one of each for a prediction of cycles")
    (node,), (entry,) = loops, graph.inputs
    assert isinstance(node.op, Loop)
    walk, behind = _walk(graph, foldings, design, lengths), {node.name}
    outside = _guard(walk, entry)
    for other in graph.nodes:
        if behind.isdisjoint(other.inputs):
            if other is not node:
                walk.add(other)
        elif behind.issuperset(other.inputs):
            behind.add(other.name)
        else:
            raise DataError(f"node {other.name}", "joins the loop's result with what is before it", "one path")
    prefix, given = f"{node.name}.", walk.values[node.inputs[0]]
    inner = {k.removeprefix(prefix): i for k, i in design.instances.items() if k.startswith(prefix)}
    ring, ends = ring_of(node.op, inside(foldings, node.name), inner, given.counts)
    source = walk.link((node.name, 0), node.inputs[0], ends.lanes)
    before = Pipeline((outside,), walk.take(), (source,))
    walk.values[node.name] = Value.outside(given.counts, ends.channels, ends.lanes)
    for other in graph.nodes:
        if other.name in behind - {node.name}:
            walk.add(other)
    operators = walk.take()
    after = Pipeline((walk.source(node.name),), operators, graph.outputs) if operators else None
    return Looped(replace(ring, prefix=prefix), before, after)


def _guard(walk: Walk, entry: str) -> Source:
    """Whole sequences only: the guard makes the graph's input of what comes from outside."""
    value, depth = walk.values[entry], 2 * most_tokens(walk.graph.inputs[entry].tokens)
    beats = value.beats
    stages = tuple(
        (Stage(np.full(n, n - 1), beats, GUARD_LATENCY + beats, beats, ahead=depth - n),) for n in value.counts
    )
    walk.operators.append(Operator(entry, (OUTSIDE,), stages))
    return Source(OUTSIDE, value.counts, beats)


def ring_of(
    loop: Loop, foldings: Mapping[str, Folding], instances: Mapping[str, Instance], counts: tuple[int, ...]
) -> tuple[Ring, Value]:
    """The ring of a loop, and what leaves its body.

    Args:
        foldings, instances: of the nodes inside, by their own names.
        counts: tokens of each kind of sequence.
    """
    body = loop.bodies[0]
    ((entry, kind),), (end,) = body.inputs.items(), body.outputs
    lanes = instances[end].out_lanes if end in instances else boundary_lanes(body, instances, entry)
    first = Value.outside(counts, kind.channels, lanes)
    walk = Walk(body, foldings, instances, depths(body, foldings), {entry: first})
    for node in body.nodes:
        walk.add(node)
    layer, last = Pipeline((walk.source(entry),), walk.take(), body.outputs), walk.values[end]
    return Ring(layer, len(loop.bodies), loop.slots, loop.sequences, trickle=last.spread - (last.beats - 1)), last


def machine(
    graph: Graph, foldings: Mapping[str, Folding], design: RtlDesign, lengths: Sequence[Sequence[int]]
) -> Machine:
    """The dynamic model of a design; arguments as in `pipeline`. Raises as `looped`."""
    if any(isinstance(node.op, Loop) for node in graph.nodes):
        return looped(graph, foldings, design, lengths)
    return Streaming(pipeline(graph, foldings, design, lengths))


def cycles(
    graph: Graph, foldings: Mapping[str, Folding], design: RtlDesign, lengths: Sequence[Sequence[int]]
) -> Prediction:
    """Predicted cycles of sequences sent back to back.

    Args:
        lengths: per sequence, in order, the tokens of each graph input.
    """
    kinds = list(dict.fromkeys(tuple(n) for n in lengths))
    order = [kinds.index(tuple(n)) for n in lengths]
    model = machine(graph, foldings, design, kinds)
    if isinstance(model, Streaming):
        return predict(model.pipeline, order)
    ends = tuple(visit.finished for visit in model.stream(in_order(order)))
    period = float(ends[-1] - ends[-2]) if len(ends) > 1 else float(ends[0])
    return Prediction(ends[-1], ends, period, True, {})
