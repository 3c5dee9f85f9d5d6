# SPDX-License-Identifier: Apache-2.0
"""Rewrites of a graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from gatewright.graph.network import Graph

Pass = Callable[[Graph], Graph]


def apply(graph: Graph, *passes: Pass) -> Graph:
    """Run passes in order; each result is checked by construction."""
    for one in passes:
        graph = one(graph)
    return graph


def bypass(graph: Graph, name: str) -> Graph:
    """Remove the one-input node `name`; its readers read its input instead."""
    source = graph.node(name).inputs[0]

    def swap(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(source if v == name else v for v in values)

    nodes = tuple(dataclasses.replace(n, inputs=swap(n.inputs)) for n in graph.nodes if n.name != name)
    return dataclasses.replace(graph, nodes=nodes, outputs=swap(graph.outputs))
