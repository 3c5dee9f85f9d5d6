# SPDX-License-Identifier: Apache-2.0
"""The operators of a graph inside one generated module, and the module around a loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gatewright.errors import FoldingError, GraphError
from gatewright.graph import Folding, Graph, Instance, Node, most_tokens
from gatewright.lower.depths import depths
from gatewright.lower.writer import Stream, Writer, master, module, pins, slave
from gatewright.ops.loop import Loop
from gatewright.schedule import inside

BANK_PARTS = ("data", "valid", "ready")
"""Signals of a stream without `last`."""


def spell(bodies: Sequence[Graph], foldings: Mapping[str, Folding]) -> dict[str, Instance]:
    """RTL spelling of every node that has hardware, for graphs of one structure that share it.

    Raises:
        FoldingError: a folding is missing or does not divide its operator, or the graphs need different hardware.
    """
    found: dict[str, Instance] = {}
    for node in bodies[0].nodes:
        if isinstance(node.op, Loop):
            continue
        if node.name not in foldings:
            raise FoldingError(f"node {node.name}", "no folding", hint="let the scheduler choose, or give one")
        try:
            ops = [b.node(node.name).op for b in bodies]
            types = [b.input_types(b.node(node.name)) for b in bodies]
            instance = type(node.op).rtl_banked(foldings[node.name], ops, types)
        except GraphError as error:
            raise FoldingError(f"node {node.name}", f"{error.place}: {error.problem}", error.allowed) from None
        if instance is not None:
            found[node.name] = instance
    return found


def boundary_lanes(graph: Graph, instances: Mapping[str, Instance], value: str) -> int:
    """Lanes of a graph input: those of the first operator behind it, through operators that are wiring."""
    for name, port in graph.users[value]:
        lanes = instances[name].in_lanes[port] if name in instances else boundary_lanes(graph, instances, name)
        if lanes:
            return lanes
    return 0


@dataclass(eq=False)
class Network:
    """The operators of a graph inside one module.

    Attributes:
        writer: of the module.
        graph: what to instantiate.
        instances: of its nodes.
        foldings: of its nodes, and of the nodes inside its loops.
        chain: signal prefix of the load chain, as far as it has come.
        load: bits of the load chain.
        banks: per node with a bank port, the signal prefix of its stream; absent where there is one bank.
        top: prefix of the names of generated modules.
        lengths: signal prefixes of the sequence lengths that loops admit by, one per loop.
        modules: generated modules of loops.
    """

    writer: Writer
    graph: Graph
    instances: Mapping[str, Instance]
    foldings: Mapping[str, Folding]
    chain: str
    load: int
    banks: Mapping[str, str] = field(default_factory=dict)
    top: str = ""
    lengths: list[str] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queues = depths(self.graph, self.foldings)

    def place(self, sources: Mapping[str, Stream]) -> dict[str, Stream]:
        """Instantiate every node; returns the streams of the graph's outputs."""
        streams: dict[tuple[str, int], Stream] = {}
        outputs: dict[str, Stream] = {}

        def publish(value: str, source: Stream) -> None:
            users = self.graph.users[value]
            for user, branch in zip(users, self.writer.fork(source, value, max(1, len(users))), strict=False):
                streams[user] = branch

        for value, source in sources.items():
            publish(value, source)
        for node in self.graph.nodes:
            ins = [streams[node.name, port] for port in range(len(node.inputs))]
            result = self._loop(node, ins[0]) if isinstance(node.op, Loop) else self._node(node, ins)
            if node.name in self.graph.outputs:
                outputs[node.name] = result
            else:
                publish(node.name, result)
        return outputs

    def _node(self, node: Node, sources: Sequence[Stream]) -> Stream:
        """Instantiate one node with its width changes and FIFOs; returns its output stream."""
        instance = self.instances.get(node.name)
        if instance is None:
            return sources[0]
        writer = self.writer
        writer.lines.append(f"  // {node.op.describe()}" + (f"  ({node.origin})" if node.origin else ""))
        connections: dict[str, str] = {}
        for port, lanes in enumerate(instance.in_lanes):
            stream = writer.change_lanes(sources[port], lanes, f"w_{node.name}_{port}")
            depth = self.queues.get((node.name, port))
            if depth is not None:
                writer.lines.append(f"  // {depth.reason}")
                stream = writer.queue(stream, max(1, depth.channels // lanes), f"{node.name}_{port}")
            connections |= pins("s" if len(instance.in_lanes) == 1 else f"s{port}", stream.name)
        out = writer.declare(Stream(f"n_{node.name}", instance.out_lanes, self.graph.types[node.name].fixed.width))
        connections |= pins("m", out.name)
        parameters = dict(instance.parameters)
        if instance.banked:
            connections |= self._bank(node.name)
        if instance.memory:
            parameters["Load"] = self.load
            connections |= self._link(node.name)
        writer.instance(instance.module, node.name, parameters, connections)
        return out

    def _bank(self, name: str) -> dict[str, str]:
        """Connections of a bank port; with one bank it is idle."""
        if name in self.banks:
            return pins("b", self.banks[name], ("data", "valid", "ready"))
        self.writer.lines.append(f"  logic unused_bank_{name};")
        return {"b_data": "1'b0", "b_valid": "1'b1", "b_ready": f"unused_bank_{name}"}

    def _link(self, name: str) -> dict[str, str]:
        """Connections of the next piece of the load chain."""
        self.writer.declare(Stream(f"x_{name}", 1, self.load))
        found = pins("w", self.chain) | pins("x", f"x_{name}")
        self.chain = f"x_{name}"
        return found

    def _loop(self, node: Node, source: Stream) -> Stream:
        """Generate the module of a loop and instantiate it."""
        assert isinstance(node.op, Loop)
        foldings = inside(self.foldings, node.name)
        made = _loop_module(f"{self.top}_{node.name}", node.op, foldings, self.load, self.foldings[node.name].ultra)
        self.modules[made.name] = made.text
        stream = self.writer.change_lanes(source, made.lanes, f"w_{node.name}")
        out = self.writer.declare(Stream(f"n_{node.name}", made.lanes, source.width))
        connections = pins("s", stream.name) | pins("m", out.name) | pins("n", self.lengths.pop(0), BANK_PARTS)
        if made.memory:
            connections |= self._link(node.name)
        self.writer.lines.append(f"  // {len(node.op.bodies)} iterations of {len(node.op.bodies[0].nodes)} operators")
        self.writer.instance(made.name, node.name, {}, connections)
        return out


def ring_instance(loop: Loop, instances: Mapping[str, Instance], ultra: bool) -> Instance:
    """The control of a loop, given the spelling of the nodes inside it."""
    body = loop.bodies[0]
    ((entry, kind),) = body.inputs.items()
    (end,) = body.outputs
    lanes = instances[end].out_lanes if end in instances else boundary_lanes(body, instances, entry)
    parameters = {
        "Width": lanes * kind.fixed.width,
        "Beats": kind.channels // lanes,
        **loop.admission.parameters(),
        "Iterations": len(loop.bodies),
        "BankBits": max(1, (len(loop.bodies) - 1).bit_length()),
        "Ultra": int(ultra),
    }
    return Instance("ring", parameters, (lanes,), lanes)


@dataclass(frozen=True)
class _LoopModule:
    """Generated module of a loop: boundary lanes, and whether it stands in the load chain."""

    name: str
    text: str
    lanes: int
    memory: bool


def _loop_module(name: str, loop: Loop, foldings: Mapping[str, Folding], load: int, ultra: bool) -> _LoopModule:
    """The ring control around one body."""
    body = loop.bodies[0]
    ((entry, kind),) = body.inputs.items()
    instances = spell(loop.bodies, foldings)
    control = ring_instance(loop, instances, ultra)
    lanes, iterations = control.out_lanes, len(loop.bodies)
    bits = lanes * kind.fixed.width
    writer = Writer()
    passes = _place_control(writer, control, loop, kind.fixed.width)
    banks = _place_banks(writer, [k for k, i in instances.items() if i.banked], control.parameters["BankBits"], loop)
    network = Network(writer, body, instances, foldings, "w", load, banks)
    (made,) = network.place({entry: passes}).values()
    made = writer.change_lanes(made, lanes, "w_result")
    writer.forward("q", made.name)
    ports = slave("s", bits, f"tokens of new sequences: {kind}")
    ports += slave("n", most_tokens(kind.tokens).bit_length(), "their lengths", BANK_PARTS)
    ports += master("m", bits, "tokens that went round")
    memory = network.chain != "w"
    if memory:
        writer.forward("x", network.chain)
        ports += slave("w", load) + master("x", load)
    title = f"{iterations} iterations of {len(body.nodes)} operators, {loop.slots} tokens under way."
    return _LoopModule(name, module(name, title, ports, writer.lines), lanes, memory)


def _place_control(writer: Writer, control: Instance, loop: Loop, width: int) -> Stream:
    """Instantiate `ring` between the module's ports and the body; returns the passes, into the body."""
    lanes = control.out_lanes
    passes = writer.declare(Stream("p", lanes, width))
    writer.declare(Stream("q", lanes, width))
    writer.declare(Stream("b", 1, control.parameters["BankBits"]))
    writer.lines += [
        f"  logic [{loop.slots.bit_length() - 1}:0] unused_tokens;",
        f"  logic [{loop.sequences.bit_length() - 1}:0] unused_sequences;",
    ]
    wired = [pins(port, port) for port in ("s", "m", "p", "q")]
    wired += [pins(port, port, BANK_PARTS) for port in ("n", "b")]
    wired += [{"tokens_in_flight": "unused_tokens", "sequences_in_flight": "unused_sequences"}]
    writer.instance(control.module, "ring", control.parameters, {k: v for part in wired for k, v in part.items()})
    return passes


def _place_banks(writer: Writer, readers: Sequence[str], bits: int, loop: Loop) -> dict[str, str]:
    """A queue of bank numbers in front of every operator with banks; returns their signal prefixes."""
    writer.lines.append("  assign b_last = 1'b0;")
    if not readers:
        writer.lines += ["  assign b_ready = 1'b1;", "  wire logic unused_bank = &{b_data, b_valid, b_last};"]
        return {}
    passes = loop.admission.passes
    writer.lines.append(f"  // At most {passes} passes are under way, so these queues are never full.")
    banks = {}
    for name, branch in zip(readers, writer.fork(Stream("b", 1, bits), "0b", len(readers)), strict=True):
        banks[name] = writer.queue(branch, passes, f"0b_{name}").name
        writer.lines.append(f"  wire logic unused_{banks[name]}_last = {banks[name]}_last;")
    return banks
