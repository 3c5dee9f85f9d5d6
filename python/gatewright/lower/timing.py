# SPDX-License-Identifier: Apache-2.0
"""A lowered design as the scheduler's pipeline: stages of operators, width changes, FIFOs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd

import numpy as np

from gatewright.graph import Folding, Graph, Stage
from gatewright.lower.rtl import RtlDesign
from gatewright.scheduler.cycles import Prediction, predict
from gatewright.scheduler.pipeline import LINK, Operator, Pipeline, Source

FIFO_LATENCY = 2
"""Cycles through an empty `stream_fifo`: memory and output register."""


def pipeline(
    graph: Graph, foldings: Mapping[str, Folding], design: RtlDesign, lengths: Sequence[Sequence[int]]
) -> Pipeline:
    """The cycle model of `design`.

    Args:
        lengths: per kind of sequence, the tokens of each graph input.
    """
    counts = {value: tuple(kind[i] for kind in lengths) for i, value in enumerate(graph.inputs)}
    lanes = {p.value: p.lanes for p in design.inputs}
    sources = tuple(Source(value, counts[value], kind.channels // lanes[value]) for value, kind in graph.inputs.items())
    operators: list[Operator] = []
    for node in graph.nodes:
        types, folding = graph.input_types(node), foldings[node.name]
        stages = tuple(tuple(node.op.stages(folding, counts[node.inputs[0]][k], *types)) for k in range(len(lengths)))
        inputs = []
        instance = design.instances.get(node.name)
        for port, value in enumerate(node.inputs):
            if instance is not None:
                at = (node.name, port, value)
                operators += _link(
                    design, at, types[port].channels, lanes[value], instance.in_lanes[port], counts[value]
                )
                value = operators[-1].name if operators and operators[-1].name == f"{node.name}.{port}" else value
            inputs.append(value)
        operators.append(Operator(node.name, tuple(inputs), stages))
        counts[node.name] = tuple(
            len(kind[-1].need) if kind else n for kind, n in zip(stages, counts[node.inputs[0]], strict=True)
        )
        lanes[node.name] = lanes[node.inputs[0]] if instance is None else instance.out_lanes
    return Pipeline(sources, tuple(operators), graph.outputs)


def _link(
    design: RtlDesign, at: tuple[str, int, str], channels: int, given: int, wanted: int, counts: Sequence[int]
) -> list[Operator]:
    """What stands between a value and the operator that reads it: width change and FIFO, or nothing."""
    name, port, value = at
    depth = design.depths.get((name, port))
    if depth is None and given == wanted:
        return []
    # A change between lanes of which neither divides the other goes through their common divisor.
    narrow, latency, queue = gcd(given, wanted), 0, LINK
    if given > narrow:
        # The final beat is shifted out part by part.
        latency += given // narrow
    if wanted > narrow:
        latency += 1
    if depth is not None:
        latency += FIFO_LATENCY
        queue += depth.tokens
    stages = tuple((Stage(np.arange(n), channels // narrow, latency, channels // given, ahead=queue),) for n in counts)
    return [Operator(f"{name}.{port}", (value,), stages)]


def cycles(
    graph: Graph, foldings: Mapping[str, Folding], design: RtlDesign, lengths: Sequence[Sequence[int]]
) -> Prediction:
    """Predicted cycles of sequences sent back to back.

    Args:
        lengths: per sequence, in order, the tokens of each graph input.
    """
    kinds = list(dict.fromkeys(tuple(n) for n in lengths))
    return predict(pipeline(graph, foldings, design, kinds), [kinds.index(tuple(n)) for n in lengths])
