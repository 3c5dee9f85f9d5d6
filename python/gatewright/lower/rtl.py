# SPDX-License-Identifier: Apache-2.0
"""Graph and foldings to a generated SystemVerilog top level.

The top has one stream per graph input (`s0_*`, `s1_*`, ..) and output (`m0_*`, ..) and one load chain `w_*`
through all operators with weights, in node order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from math import gcd
from pathlib import Path

import numpy as np

from gatewright.errors import FoldingError, GraphError
from gatewright.fixed import Ints
from gatewright.graph import Folding, Graph, Instance, Node, TensorType, most_tokens
from gatewright.lower.depths import Depth, depths
from gatewright.lower.sources import INCLUDE, closure


@dataclass(frozen=True)
class Port:
    """A stream at the boundary of the design.

    Attributes:
        prefix: signal prefix, `s0`, `m0`, ..
        value: the graph value that travels on it.
        kind: its type.
        lanes: channels per beat.
    """

    prefix: str
    value: str
    kind: TensorType
    lanes: int

    @property
    def bits(self) -> int:
        """Bits of a beat."""
        return self.lanes * self.kind.fixed.width


@dataclass(frozen=True, eq=False)
class RtlDesign:
    """Everything a simulator or synthesiser needs.

    Attributes:
        name: top module.
        text: its SystemVerilog source.
        library: library files it instantiates, leaves first.
        inputs, outputs: boundary streams in graph order.
        memory: uint32 load words for the chain; the final word carries `w_last`.
        instances: RTL spelling of every node that has hardware.
        depths: FIFO in front of an input port of a node, with the reason for its depth.
    """

    name: str
    text: str
    library: tuple[Path, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    memory: Ints
    instances: Mapping[str, Instance]
    depths: Mapping[tuple[str, int], Depth]

    @cached_property
    def files(self) -> dict[str, str]:
        """File name to text: the top, the library modules and the include files."""
        found = {path.name: path.read_text() for path in self.library}
        found |= {path.name: path.read_text() for path in sorted(INCLUDE.glob("*.svh"))}
        return found | {f"{self.name}.sv": self.text}

    def write(self, folder: Path) -> list[Path]:
        """Write every file into `folder`; returns the compiled sources in order, the top last."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text)
        return [folder / path.name for path in self.library] + [folder / f"{self.name}.sv"]


@dataclass(frozen=True)
class _Stream:
    """Signals `{name}_data` and so on, `lanes` channels of `width` bits."""

    name: str
    lanes: int
    width: int

    @property
    def bits(self) -> int:
        return self.lanes * self.width


class _Writer:
    """Collects declarations and instances of the top module."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def declare(self, stream: _Stream) -> _Stream:
        name = stream.name
        self.lines.append(f"  logic [{stream.bits - 1}:0] {name}_data;")
        self.lines.append(f"  logic {name}_valid, {name}_last, {name}_ready;")
        return stream

    def instance(self, module: str, name: str, parameters: Mapping[str, int], pins: Mapping[str, str]) -> None:
        self.lines.append(f"  {module} #(")
        self.lines.append(",\n".join(f"      .{k}({v})" for k, v in parameters.items()))
        self.lines.append(f"  ) u_{name} (")
        self.lines.append("      .clk,\n      .rst,")
        self.lines.append(",\n".join(f"      .{k}({v})" for k, v in pins.items()))
        self.lines.append("  );\n")

    def reshape_lanes(self, stream: _Stream, lanes: int, name: str) -> _Stream:
        """`stream` with `lanes` channels per beat, through the common divisor when neither divides the other."""
        if stream.lanes == lanes:
            return stream
        if stream.lanes % lanes and lanes % stream.lanes:
            stream = self.reshape_lanes(stream, gcd(stream.lanes, lanes), f"{name}_narrow")
        out = self.declare(_Stream(name, lanes, stream.width))
        self.instance(
            "stream_width",
            name,
            {"Width": stream.width, "InLanes": stream.lanes, "OutLanes": lanes},
            {**pins("s", stream.name), **pins("m", name)},
        )
        return out


def pins(port: str, signal: str) -> dict[str, str]:
    """Connections of one stream port to the signals of one stream."""
    return {f"{port}_{part}": f"{signal}_{part}" for part in ("data", "valid", "last", "ready")}


def _fork(writer: _Writer, source: _Stream, name: str, count: int) -> list[_Stream]:
    if count == 1:
        return [source]
    branches = [writer.declare(_Stream(f"f_{name}_{i}", source.lanes, source.width)) for i in range(count)]
    joined = {
        part: "{" + ", ".join(f"{b.name}_{part}" for b in reversed(branches)) + "}"
        for part in ("data", "valid", "last", "ready")
    }
    writer.instance(
        "stream_fork",
        f"fork_{name}",
        {"Width": source.bits, "Outputs": count},
        {**pins("s", source.name), **{f"m_{k}": v for k, v in joined.items()}},
    )
    return branches


def spell(graph: Graph, foldings: Mapping[str, Folding]) -> dict[str, Instance]:
    """RTL spelling of every node that has hardware.

    Raises:
        FoldingError: a folding is missing or does not divide its operator.
    """
    found: dict[str, Instance] = {}
    for node in graph.nodes:
        if node.name not in foldings:
            raise FoldingError(f"node {node.name}", "no folding", hint="let the scheduler choose, or give one")
        try:
            instance = node.op.rtl(foldings[node.name], *graph.input_types(node))
        except GraphError as error:
            raise FoldingError(f"node {node.name}", f"{error.place}: {error.problem}", error.allowed) from None
        if instance is not None:
            found[node.name] = instance
    return found


def _boundary_lanes(graph: Graph, instances: Mapping[str, Instance], value: str) -> int:
    """Lanes of a graph input: those of the first operator behind it, through operators that are wiring."""
    for name, port in graph.users[value]:
        lanes = instances[name].in_lanes[port] if name in instances else _boundary_lanes(graph, instances, name)
        if lanes:
            return lanes
    return 0


def lower(graph: Graph, foldings: Mapping[str, Folding], name: str | None = None) -> RtlDesign:
    """Generate the top level of `graph`.

    Args:
        foldings: one per node.
        name: top module name; the graph's name by default.
    """
    top = name or f"{graph.name}_top"
    instances = spell(graph, foldings)
    queues = depths(graph, foldings)
    writer = _Writer()
    streams: dict[tuple[str, int], _Stream] = {}

    def publish(value: str, source: _Stream) -> None:
        """Hand the stream of `value` to its readers."""
        users = graph.users[value]
        for user, branch in zip(users, _fork(writer, source, value, max(1, len(users))), strict=False):
            streams[user] = branch

    inputs = []
    for index, (value, kind) in enumerate(graph.inputs.items()):
        lanes = _boundary_lanes(graph, instances, value) or kind.channels
        inputs.append(Port(f"s{index}", value, kind, lanes))
        publish(value, _Stream(f"s{index}", lanes, kind.fixed.width))

    outputs: dict[str, Port] = {}
    chain = "w"
    for node in graph.nodes:
        source = _place(writer, graph, node, instances.get(node.name), streams, queues, chain)
        if node.name in instances and instances[node.name].memory is not None:
            chain = f"x_{node.name}"
        if node.name in graph.outputs:
            kind = graph.types[node.name]
            outputs[node.name] = Port(f"m{graph.outputs.index(node.name)}", node.name, kind, source.lanes)
            writer.lines += [f"  assign {a} = {b};" for a, b in _forward(outputs[node.name].prefix, source.name)]
        else:
            publish(node.name, source)
    writer.lines.append(f"  assign {chain}_ready = 1'b1;")
    if chain == "w":
        writer.lines.append("  wire logic unused_load = &{w_data, w_valid, w_last, clk, rst};")
    else:
        writer.lines.append(f"  wire logic unused_load = &{{{chain}_data, {chain}_valid, {chain}_last}};")

    ordered = tuple(outputs[o] for o in graph.outputs)
    memories = [i.memory for i in instances.values() if i.memory is not None]
    extra = [path for i in instances.values() for path in i.sources]
    modules = {i.module for i in instances.values()} | {"stream_width", "stream_fork", "stream_fifo"}
    return RtlDesign(
        top,
        _module(top, graph, inputs, ordered, writer.lines),
        tuple(closure(sorted(modules), extra)),
        tuple(inputs),
        ordered,
        np.concatenate(memories) if memories else np.zeros(0, np.int64),
        instances,
        queues,
    )


def _place(
    writer: _Writer,
    graph: Graph,
    node: Node,
    instance: Instance | None,
    streams: Mapping[tuple[str, int], _Stream],
    queues: Mapping[tuple[str, int], Depth],
    chain: str,
) -> _Stream:
    """Instantiate one node with its width changes and FIFOs; returns its output stream."""
    if instance is None:
        return streams[node.name, 0]
    writer.lines.append(f"  // {node.op.describe()}" + (f"  ({node.origin})" if node.origin else ""))
    connections: dict[str, str] = {}
    for port, lanes in enumerate(instance.in_lanes):
        stream = writer.reshape_lanes(streams[node.name, port], lanes, f"w_{node.name}_{port}")
        depth = queues.get((node.name, port))
        if depth is not None:
            queue = writer.declare(_Stream(f"q_{node.name}_{port}", stream.lanes, stream.width))
            writer.lines.append(f"  // {depth.reason}")
            beats = max(1, depth.channels // lanes)
            writer.instance(
                "stream_fifo",
                f"fifo_{node.name}_{port}",
                {"Width": queue.bits, "Depth": beats},
                {**pins("s", stream.name), **pins("m", queue.name)},
            )
            stream = queue
        connections |= pins("s" if len(instance.in_lanes) == 1 else f"s{port}", stream.name)
    out = writer.declare(_Stream(f"n_{node.name}", instance.out_lanes, graph.types[node.name].fixed.width))
    connections |= pins("m", out.name)
    if instance.memory is not None:
        writer.declare(_Stream(f"x_{node.name}", 1, 32))
        connections |= pins("w", chain) | pins("x", f"x_{node.name}")
    writer.instance(instance.module, node.name, instance.parameters, connections)
    return out


def _forward(port: str, signal: str) -> list[tuple[str, str]]:
    pairs = [(f"{port}_{part}", f"{signal}_{part}") for part in ("data", "valid", "last")]
    return [*pairs, (f"{signal}_ready", f"{port}_ready")]


def _module(name: str, graph: Graph, inputs: list[Port], outputs: tuple[Port, ...], body: list[str]) -> str:
    ports = ["    input  wire logic clk", "    input  wire logic rst"]
    for port in [*inputs, *outputs]:
        inward = port.prefix.startswith("s")
        to, back = ("input  wire", "output     ") if inward else ("output     ", "input  wire")
        note = f"  ///< {port.value}: {port.kind}, {port.lanes} lanes, at most {most_tokens(port.kind.tokens)} tokens"
        ports += [
            f"    {to} logic [{port.bits - 1}:0] {port.prefix}_data",
            f"    {to} logic {port.prefix}_valid",
            f"    {to} logic {port.prefix}_last",
            f"    {back} logic {port.prefix}_ready",
        ]
        ports[-4] += f"@{note}"
    ports += [
        "    input  wire logic [31:0] w_data",
        "    input  wire logic w_valid",
        "    input  wire logic w_last",
        "    output      logic w_ready",
    ]
    listed = []
    for i, line in enumerate(ports):
        code, _, note = line.partition("@")
        listed.append(code + ("," if i < len(ports) - 1 else "") + note)
    head = [
        "// Generated by gatewright; do not edit.",
        "`default_nettype none",
        "",
        f"/// {graph.name}: {len(graph.nodes)} operators.",
        f"module {name} (",
    ]
    return "\n".join([*head, *listed, ");", *body, "endmodule", "", "`default_nettype wire", ""])
