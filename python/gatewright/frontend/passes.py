# SPDX-License-Identifier: Apache-2.0
"""Rewrites of the integer graph. Each keeps every output bit; its law is in the docstring."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.frontend.rotate import rotate_circular
from gatewright.graph import Graph, Node, Pass, bypass
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape


def _drop(graph: Graph, idle: Callable[[Graph, Node], bool]) -> Graph:
    """Bypass every idle node, except one that would make an input an output."""
    for name in [n.name for n in graph.nodes]:
        node = graph.node(name)
        if idle(graph, node) and not (node.name in graph.outputs and node.inputs[0] in graph.inputs):
            graph = bypass(graph, node.name)
    return graph


def drop_unsigned_relu(graph: Graph) -> Graph:
    """max(x, 0) = x for unsigned x; together with sat_unsigned(r) = sat_unsigned(max(r, 0)) the producer's
    saturation at 0 is the ReLU."""
    return _drop(graph, lambda g, n: isinstance(n.op, Relu) and not g.types[n.inputs[0]].fixed.signed)


def drop_idle_requantize(graph: Graph) -> Graph:
    """A change of format to the same format is the identity."""
    return _drop(graph, lambda g, n: isinstance(n.op, Requantize) and g.types[n.inputs[0]].fixed == n.op.output)


def drop_idle_reshape(graph: Graph) -> Graph:
    """A reshape to the same channels per token is the identity."""
    return _drop(graph, lambda g, n: isinstance(n.op, Reshape) and g.types[n.inputs[0]].channels == n.op.channels)


def merge_reshapes(graph: Graph) -> Graph:
    """Reshape to a, then to b, is reshape to b, where only the second reads the first."""
    for name in [n.name for n in graph.nodes]:
        node = next((n for n in graph.nodes if n.name == name), None)
        source = next((n for n in graph.nodes if node is not None and n.name == node.inputs[0]), None)
        if (
            node is not None
            and source is not None
            and isinstance(node.op, Reshape)
            and isinstance(source.op, Reshape)
            and len(graph.users[source.name]) == 1
            and source.name not in graph.outputs
            and _nested(graph.types[source.inputs[0]].channels, node.op.channels)
        ):
            graph = bypass(graph, source.name)
    return graph


def _nested(a: int, b: int) -> bool:
    return a % b == 0 or b % a == 0


PASSES: tuple[Pass, ...] = (
    drop_idle_requantize,
    drop_unsigned_relu,
    merge_reshapes,
    drop_idle_reshape,
    rotate_circular,
)
