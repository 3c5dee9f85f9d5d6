# SPDX-License-Identifier: Apache-2.0
"""Nodes as the scheduler sees them: also those inside a loop, with their timing for a length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from gatewright.graph import Folding, Graph, Node, Stage, Tokens
from gatewright.ops.loop import Loop


def tokens_at(tokens: Tokens, n: int) -> int:
    """Number of tokens of an edge when the run-time symbol is `n`."""
    return tokens if isinstance(tokens, int) else tokens.at(n)


def longest(graph: Graph) -> int:
    """Largest value of the run-time symbol, or the number of tokens of the input."""
    return max(k.tokens if isinstance(k.tokens, int) else k.tokens.maximum for k in graph.inputs.values())


def node_stages(graph: Graph, node: Node, folding: Folding, n: int) -> list[Stage]:
    """Timing of one node for one sequence whose run-time symbol is `n`."""
    types = graph.input_types(node)
    return node.op.stages(folding, tokens_at(types[0].tokens, n), *types)


def cycles_per_sequence(stages: Sequence[Stage], tokens: int) -> float:
    """Cycles that the slowest stage needs in steady state for a sequence of `tokens` input tokens."""
    slowest = 0
    for stage in stages:
        slowest = max(slowest, int(np.broadcast_to(stage.interval, len(stage.need)).sum()), stage.intake * tokens)
        tokens = len(stage.need)
    return float(slowest)


def node_cycles(graph: Graph, node: Node, folding: Folding, n: int) -> float:
    """Cycles per sequence of one node in steady state."""
    tokens = tokens_at(graph.input_types(node)[0].tokens, n)
    return cycles_per_sequence(node_stages(graph, node, folding, n), tokens)


def bottleneck(graph: Graph, foldings: Mapping[str, Folding], n: int) -> float:
    """Cycles per sequence of the slowest operator."""
    found = []
    for node in graph.nodes:
        found.append(node_cycles(graph, node, foldings[node.name], n))
        if isinstance(node.op, Loop):
            found.append(len(node.op.bodies) * bottleneck(node.op.bodies[0], inside(foldings, node.name), n))
    return max(found)


def all_nodes(graph: Graph) -> Iterator[tuple[str, tuple[Graph, Node]]]:
    """Every node with the graph that it stands in; those inside a loop (of its first body) as `{loop}.{node}`."""
    for node in graph.nodes:
        yield node.name, (graph, node)
        if isinstance(node.op, Loop):
            yield from ((f"{node.name}.{name}", found) for name, found in all_nodes(node.op.bodies[0]))


def iterations(graph: Graph, name: str) -> int:
    """How often a sequence passes through the node that `all_nodes` calls `name`."""
    op = graph.node(name.split(".")[0]).op
    return len(op.bodies) if "." in name and isinstance(op, Loop) else 1


def inside(foldings: Mapping[str, Folding], loop: str) -> dict[str, Folding]:
    """Foldings of the nodes inside a loop, by their own names."""
    prefix = f"{loop}."
    return {k.removeprefix(prefix): f for k, f in foldings.items() if k.startswith(prefix)}
