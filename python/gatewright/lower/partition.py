# SPDX-License-Identifier: Apache-2.0
"""Which part of a graph the accelerator takes and which stays on the host, as alternating segments.

A segment is a graph of its own: its inputs are values of segments before it, and it puts out what later ones read.
Since every value has one integer meaning, the segments together give the same integers as the whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gatewright.errors import GraphError
from gatewright.graph import Graph, Node, Op, TensorType
from gatewright.ops.loop import Loop
from gatewright.ops.requantize import Requantize


class Site(str, Enum):
    """Where a segment runs."""

    HOST = "host"
    ACCELERATOR = "accelerator"


@dataclass(frozen=True, eq=False)
class Segment:
    """Neighbouring nodes on one site.

    Attributes:
        site: where they run.
        graph: of them; inputs are called as in the whole graph.
        outputs: what each of the graph's outputs is in the whole graph.
    """

    site: Site
    graph: Graph
    outputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Partition:
    """A graph cut into segments.

    Attributes:
        graph: the whole.
        segments: in the order in which they run; neighbours are on different sites.
        reasons: per node on the host, why it is there.
    """

    graph: Graph
    segments: tuple[Segment, ...]
    reasons: Mapping[str, str]

    def __str__(self) -> str:
        lines = [f"partition of {self.graph.name}"]
        for segment in self.segments:
            ends = f"{', '.join(segment.graph.inputs)} -> {', '.join(segment.outputs)}"
            lines.append(f"  {segment.site.value:<12} {len(segment.graph.nodes):>4} operators  {ends}")
        lines += [f"  {name} on the host: {reason}" for name, reason in self.reasons.items()]
        return "\n".join(lines)


def partition(graph: Graph, host: Collection[str] = ()) -> Partition:
    """Cut a graph between host and accelerator.

    Args:
        host: names of nodes, or of operators such as "embedding", that stay on the host. What has no legal folding
            stays there, too.

    Raises:
        GraphError: a name in `host` is neither a node nor an operator.
    """
    unknown = [h for h in host if h not in Op.known and all(h != n.name for n in graph.nodes)]
    if unknown:
        nodes = ", ".join(n.name for n in graph.nodes)
        raise GraphError("partition.host", ", ".join(unknown), f"operators ({', '.join(Op.known)}) and nodes ({nodes})")
    reasons = {n.name: r for n in graph.nodes if (r := _reason(n, graph.input_types(n), host))}
    runs = _runs(graph, reasons)
    segments = tuple(_segment(graph, site, nodes) for site, nodes in runs if nodes)
    return Partition(graph, segments, reasons)


def _reason(node: Node, inputs: Sequence[TensorType], host: Collection[str]) -> str:
    """Why a node stays on the host; empty if it need not."""
    for name in (node.name, node.op.name()):
        if name in host:
            return f"{name} was asked for"
    if isinstance(node.op, Loop):
        return next((r for b in node.op.bodies for n in b.nodes if (r := _reason(n, b.input_types(n), ()))), "")
    try:
        if next(iter(node.op.foldings(*inputs)), None) is None:
            return f"{node.op.name()} has no legal folding"
    except (GraphError, NotImplementedError) as error:
        return f"{node.op.name()} has no legal folding: {error}"
    return ""


def _runs(graph: Graph, on_host: Collection[str]) -> list[tuple[Site, list[Node]]]:
    """Nodes by the number of changes of site on the longest way to them: as few segments as there can be."""
    level: dict[str, int] = {}
    # Even levels are on the host. Inputs come from there, and an empty first segment is dropped.
    for node in graph.nodes:
        odd = node.name not in on_host
        before = max((level.get(i, 0) for i in node.inputs), default=0)
        level[node.name] = before + (before % 2 != odd)
    depth = max(level.values(), default=0)
    sites = (Site.HOST, Site.ACCELERATOR)
    return [(sites[k % 2], [n for n in graph.nodes if level[n.name] == k]) for k in range(depth + 1)]


def _segment(graph: Graph, site: Site, nodes: Sequence[Node]) -> Segment:
    inside = {n.name for n in nodes}
    inputs = {i: graph.types[i] for n in nodes for i in n.inputs if i not in inside}
    leaving = [n.name for n in nodes if n.name in graph.outputs or _read_outside(graph, n.name, inside)]
    kept, outputs = list(nodes), []
    for name in leaving:
        if not any(user in inside for user, _ in graph.users[name]):
            outputs.append(name)
            continue
        # A graph's output is read by nobody in it, so what is also read here leaves through a copy.
        copy = next(c for k in range(len(graph.types) + 1) if (c := f"{name}_out{k or ''}") not in graph.types)
        kept.append(Node(copy, Requantize(0, graph.types[name].fixed), (name,), graph.node(name).origin))
        outputs.append(copy)
    part = Graph(inputs, tuple(kept), tuple(outputs), f"{graph.name}_{kept[0].name}")
    return Segment(site, part, tuple(leaving))


def _read_outside(graph: Graph, name: str, inside: Collection[str]) -> bool:
    return any(user not in inside for user, _ in graph.users[name])
