# SPDX-License-Identifier: Apache-2.0
"""Equally built layers, one after the other, become one `Loop`: one physical layer that tokens go round in."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

from gatewright.errors import GraphError
from gatewright.graph import Graph, Node, TensorType, most_tokens
from gatewright.ops.loop import Loop
from gatewright.scheduler.admission import Admission

NAME = "ring"
"""Name of the loop's node, and of its result."""


@dataclass(frozen=True)
class Ring:
    """Which layers share one piece of hardware, and how much may be under way in it.

    Attributes:
        path: module path of the list of layers: `path.0`, `path.1`, .. are the iterations.
        slots: tokens under way; default twice the longest sequence.
        sequences: sequences under way.
        group: most tokens that share a weight read, see `Loop`.
    """

    path: str
    slots: int | None = None
    sequences: int = 16
    group: int = 2


def roll(graph: Graph, ring: Ring) -> Graph:
    """`graph` with the layers below `ring.path` as one `Loop`; it computes the same integers.

    Raises:
        GraphError: there are no such layers, they do not follow one another, or they differ in structure or formats.
    """
    layers = _layers(graph, ring.path)
    inside = {n.name for layer in layers for n in layer}
    entries = [_entry(graph, layer, f"{ring.path}.{i}") for i, layer in enumerate(layers)]
    exits = [*entries[1:], _exit(graph, layers[-1], f"{ring.path}.{len(layers) - 1}")]
    for i, (layer, value) in enumerate(zip(layers, exits, strict=True)):
        if value not in {n.name for n in layer}:
            raise GraphError(f"{ring.path}.{i}", f"the next layer reads {value}", "its result", "layers in a row")
    kind = graph.types[entries[0]]
    names = [n.name for n in layers[0]]
    bodies = tuple(
        _body(layer, names, entry, out, graph.types[entry])
        for layer, entry, out in zip(layers, entries, exits, strict=True)
    )
    node = Node(
        NAME,
        Loop(bodies, ring.slots or Admission.usual_slots(most_tokens(kind.tokens)), ring.sequences, ring.group),
        (entries[0],),
        ring.path,
    )
    final = exits[-1]

    def outer(n: Node) -> Node:
        return dataclasses.replace(n, inputs=tuple(NAME if i == final else i for i in n.inputs))

    position = next(k for k, n in enumerate(graph.nodes) if n.name in inside)
    before = [n for n in graph.nodes[:position] if n.name not in inside]
    after = [outer(n) for n in graph.nodes[position:] if n.name not in inside]
    outputs = tuple(NAME if o == final else o for o in graph.outputs)
    return Graph(graph.inputs, (*before, node, *after), outputs, graph.name)


def _layers(graph: Graph, path: str) -> list[list[Node]]:
    """Nodes of each layer, in graph order."""
    pattern = re.compile(rf"{re.escape(path)}\.(\d+)(\.|$)")
    found: dict[int, list[Node]] = {}
    for node in graph.nodes:
        match = pattern.match(node.origin)
        if match:
            found.setdefault(int(match[1]), []).append(node)
    if not found or sorted(found) != list(range(len(found))):
        paths = sorted({n.origin for n in graph.nodes if n.origin})
        raise GraphError(
            f"ring.path {path}", f"layers {sorted(found)}", "layers 0, 1, .. below it", ", ".join(paths[:9])
        )
    return [found[i] for i in sorted(found)]


def _entry(graph: Graph, layer: Sequence[Node], place: str) -> str:
    """The one value from outside that a layer reads."""
    own = {n.name for n in layer}
    values = {i for n in layer for i in n.inputs if i not in own}
    if len(values) != 1:
        raise GraphError(place, f"reads {sorted(values)} from outside", "one value")
    return values.pop()


def _exit(graph: Graph, layer: Sequence[Node], place: str) -> str:
    """The one value that is read outside a layer."""
    own = {n.name for n in layer}
    values = [v for v in own if v in graph.outputs or any(user not in own for user, _ in graph.users[v])]
    if len(values) != 1:
        raise GraphError(place, f"{sorted(values)} are read outside", "one value")
    return values[0]


def _body(layer: Sequence[Node], names: Sequence[str], entry: str, out: str, kind: TensorType) -> Graph:
    """A layer as a graph of its own, under the names of the first layer; its input is called `x`."""
    if len(layer) != len(names):
        raise GraphError(layer[0].origin, f"{len(layer)} operators", f"{len(names)}, as the first layer")
    renamed = {entry: "x"} | {n.name: name for n, name in zip(layer, names, strict=True)}
    nodes = tuple(
        dataclasses.replace(n, name=renamed[n.name], inputs=tuple(renamed[i] for i in n.inputs)) for n in layer
    )
    return Graph({"x": kind}, nodes, (renamed[out],), "layer")
