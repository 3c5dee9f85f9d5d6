# SPDX-License-Identifier: Apache-2.0
"""How many tokens wait on each link: what FIFO depths are made of."""

from __future__ import annotations

from collections.abc import Mapping

from gatewright.graph import Folding, Graph
from gatewright.schedule.nodes import bottleneck, longest, node_stages, tokens_at
from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.pipeline import Operator, Pipeline, Source

SETTLING = 4
"""Sequences after which the high-water marks no longer rise."""

Link = tuple[str, int]
"""An input port of a node."""


def _unhurried(graph: Graph, foldings: Mapping[str, Folding], n: int) -> Pipeline:
    """The operators alone, one kind of sequence, fed at the pace of the slowest operator."""
    pace = bottleneck(graph, foldings, n)
    sources = []
    for name, kind in graph.inputs.items():
        tokens = tokens_at(kind.tokens, n)
        sources.append(Source(name, (tokens,), max(1, int(pace // tokens)), round(pace)))
    operators = (
        Operator(node.name, node.inputs, (tuple(node_stages(graph, node, foldings[node.name], n)),))
        for node in graph.nodes
    )
    return Pipeline(tuple(sources), tuple(operators), graph.outputs)


def high_water(graph: Graph, foldings: Mapping[str, Folding]) -> dict[Link, int]:
    """Most tokens that wait on each link when nothing throttles and input arrives at the bottleneck's pace.

    FIFOs of these depths smooth the bursts of strided operators: the design then runs at its bottleneck's pace.
    """
    model = _unhurried(graph, foldings, longest(graph))
    peaks = simulate(model, [0] * SETTLING, unlimited=True).peaks
    # A graph input can wait outside, unless several operators read it.
    waits = {name for name in graph.inputs if len(graph.users[name]) == 1}
    return {(name, port): peak for (name, port), peak in peaks.items() if graph.node(name).inputs[port] not in waits}
