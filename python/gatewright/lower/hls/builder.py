# SPDX-License-Identifier: Apache-2.0
"""Graph and foldings to a program: a process per operator, changes of lanes, forks, and the depth of every stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, lcm

from gatewright.errors import FoldingError, GraphError, NotExpressibleError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Node, most_tokens
from gatewright.lower.depths import depths
from gatewright.lower.hls.kernel import Kernel, merge, spell
from gatewright.lower.hls.program import Channel, Port, Process, Program
from gatewright.ops.loop import Loop
from gatewright.ops.reshape import Reshape
from gatewright.schedule import inside


def program(graph: Graph, foldings: Mapping[str, Folding]) -> Program:
    """The program of a graph.

    Args:
        foldings: one per node; of nodes inside a loop as `{loop}.{node}`.

    Raises:
        FoldingError: a folding is missing or does not divide its operator.
        NotExpressibleError: an operator has no kernel, or an intermediate is wider than a machine word.
        GraphError: the iterations of a loop differ in widths.
    """
    return _Builder([graph], foldings, "").build(graph.name)


@dataclass(eq=False)
class _Builder:
    """Collects channels and processes.

    Attributes:
        graphs: of one structure that share the hardware; one for the whole network.
        foldings: of their nodes.
        prefix: of all names.
        open: per input port of a node still to come, the channel it will read.
    """

    graphs: Sequence[Graph]
    foldings: Mapping[str, Folding]
    prefix: str
    channels: dict[str, Channel] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)
    open: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """The first of them."""
        return self.graphs[0]

    def build(self, name: str) -> Program:
        """Place every node in order."""
        bodies = {n.name: self._body(n, n.op) for n in self.graph.nodes if isinstance(n.op, Loop)}
        kernels = {n.name: self._kernel(n, bodies.get(n.name)) for n in self.graph.nodes}
        queues = depths(self.graph, self.foldings)
        inputs, ends = [], {}
        for value, kind in self.graph.inputs.items():
            lanes = self._first_lanes(value, kernels) or kind.channels
            inputs.append(Port(value, kind, self._channel(f"{value}_entry", kind.fixed, lanes)))
            self._publish(value, inputs[-1].channel)
        for node in self.graph.nodes:
            kernel = kernels[node.name]
            sources = [self.open.pop((node.name, port)) for port in range(len(node.inputs))]
            for port, source in enumerate(sources):
                lanes = kernel.in_lanes[port] if kernel is not None else 0
                sources[port] = self._regroup(source, lanes, f"{node.name}_{port}")
                if (node.name, port) in queues:
                    depth = queues[node.name, port]
                    self._deepen(sources[port], depth.channels, depth.reason)
            result = self._place(node, kernel, sources, bodies.get(node.name))
            if node.name in self.graph.outputs:
                ends[node.name] = result
            else:
                self._publish(node.name, result)
        outputs = tuple(Port(o, self.graph.types[o], ends[o]) for o in self.graph.outputs)
        return Program(name, self.channels, tuple(self.processes), tuple(inputs), outputs)

    def _kernel(self, node: Node, body: Program | None) -> Kernel | None:
        """The node's kernel; None for wiring."""
        if isinstance(node.op, Reshape):
            return None
        if isinstance(node.op, Loop) and body is not None:
            lanes, (x,) = body.channels[body.inputs[0].channel].lanes, self.graph.input_types(node)
            shape = {"times": len(node.op.bodies), "beats": most_tokens(x.tokens) * x.channels // lanes}
            return Kernel("loop", shape, (lanes,), lanes)
        if node.name not in self.foldings:
            raise FoldingError(f"node {node.name}", "no folding", hint="let the scheduler choose, or give one")
        try:
            nodes = [(g, g.node(node.name)) for g in self.graphs]
            return merge([spell(n.op, self.foldings[node.name], *g.input_types(n)) for g, n in nodes])
        except (GraphError, FoldingError, NotExpressibleError) as error:
            place = f"node {self.prefix}{node.name}"
            raise type(error)(place, f"{error.place}: {error.problem}", error.allowed, error.hint) from None

    def _body(self, node: Node, op: Loop) -> Program:
        """What a loop repeats; it hands out as many lanes as it takes in, so that passes can follow one another."""
        if self.prefix:
            raise NotExpressibleError(f"node {self.prefix}{node.name}", "a loop in a loop", "loops side by side")
        inner = _Builder(op.bodies, inside(self.foldings, node.name), f"{node.name}_")
        inner._check_widths()
        found = inner.build(node.name)
        (start,), (end,) = found.inputs, found.outputs
        last = inner._regroup(end.channel, found.channels[start.channel].lanes, "exit")
        return replace(found, processes=tuple(inner.processes), outputs=(replace(end, channel=last),))

    def _check_widths(self) -> None:
        """Iterations share streams, so every value has one width and sign."""
        for value, kind in self.graph.types.items():
            for k, other in enumerate(self.graphs[1:], 1):
                form = other.types[value].fixed
                if (form.width, form.signed) != (kind.fixed.width, kind.fixed.signed):
                    problem = f"{form} in iteration {k}, {kind.fixed} in iteration 0"
                    raise GraphError(f"value {self.prefix}{value}", problem, "one width and sign", "tie the formats")

    def _first_lanes(self, value: str, kernels: Mapping[str, Kernel | None]) -> int:
        """Lanes of the first kernel behind a graph input, through wiring, if whole beats make a token."""
        for name, port in self.graph.users[value]:
            kernel = kernels[name]
            lanes = kernel.in_lanes[port] if kernel is not None else self._first_lanes(name, kernels)
            if lanes and self.graph.types[value].channels % lanes == 0:
                return lanes
        return 0

    def _channel(self, name: str, fixed: Fixed, lanes: int) -> str:
        full = f"{self.prefix}{name}"
        if full in self.channels:
            raise GraphError(f"value {name}", "a stream has this name already", "another name")
        self.channels[full] = Channel(full, fixed, lanes)
        return full

    def _deepen(self, name: str, elements: int, reason: str) -> None:
        """At least so many elements in a channel; a beat more, which a neighbour that regroups may hold back."""
        channel = self.channels[name]
        depth = ceil(elements / channel.lanes) + 1
        if depth > channel.depth:
            self.channels[name] = replace(channel, depth=depth, reason=reason)

    def _regroup(self, source: str, lanes: int, name: str) -> str:
        """The channel with so many lanes, behind a `reshape` if it has others; 0 takes any."""
        channel = self.channels[source]
        if lanes in (0, channel.lanes):
            return source
        made = self._channel(f"{name}_lanes", channel.fixed, lanes)
        kernel = Kernel("reshape", {"block": lcm(channel.lanes, lanes)}, (channel.lanes,), lanes)
        note = f"{channel.lanes} to {lanes} elements per beat"
        self.processes.append(Process(f"{self.prefix}{name}_reshape", kernel, (source,), (made,), note))
        return made

    def _publish(self, value: str, channel: str) -> None:
        """Give every reader of a value a channel of its own."""
        users, source = self.graph.users[value], self.channels[channel]
        for k, user in enumerate(users[:-1]):
            mine, rest = (self._channel(f"{value}_{end}_{k}", source.fixed, source.lanes) for end in ("to", "rest"))
            kernel = Kernel("fork", {}, (source.lanes,), source.lanes)
            self.processes.append(Process(f"{self.prefix}{value}_fork_{k}", kernel, (channel,), (mine, rest)))
            self.open[user] = mine
            channel = rest
        self.open[users[-1]] = channel

    def _place(self, node: Node, kernel: Kernel | None, sources: Sequence[str], body: Program | None) -> str:
        """The node's process; returns the channel of its result."""
        if kernel is None:
            return sources[0]
        result = self._channel(node.name, self.graph.types[node.name].fixed, kernel.out_lanes)
        note = node.op.describe() + (f" ({node.origin})" if node.origin else "")
        name = f"{self.prefix}{node.name}"
        self.processes.append(Process(name, kernel, tuple(sources), (result,), note, body))
        return result
