# SPDX-License-Identifier: Apache-2.0
"""Graph and foldings to a generated SystemVerilog top level.

The top has one stream per graph input (`s0_*`, `s1_*`, ..) and output (`m0_*`, ..) and one load chain `w_*`
through all operators with weights, in node order. A graph with a `Loop` also takes a tag with every sequence, hands
it out with the result, and reports malformed sequences at `e_*`; see `sequence_guard`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Folding, Graph, Instance, TensorType, most_tokens
from gatewright.lower import guard
from gatewright.lower.depths import Depth
from gatewright.lower.network import Network, boundary_lanes, ring_instance, spell
from gatewright.lower.sources import INCLUDE, closure
from gatewright.lower.writer import Stream, Writer, master, module, slave
from gatewright.ops.loop import Loop
from gatewright.schedule import inside

NARROW, WIDE = 32, 512
"""Bits of the load chain: of a small design, and of one whose load would take long (the width of a memory port)."""
LONG_LOAD = 1 << 16
"""Words of 32 bits from which on the chain is wide."""


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

    @property
    def note(self) -> str:
        """What travels here, for a comment."""
        return f"{self.value}: {self.kind}, {self.lanes} lanes, at most {most_tokens(self.kind.tokens)} tokens"


@dataclass(frozen=True, eq=False)
class RtlDesign:
    """Everything a simulator or synthesiser needs.

    Attributes:
        name: top module.
        modules: generated SystemVerilog by module name, the top last.
        library: library files it instantiates, leaves first.
        inputs, outputs: boundary streams in graph order.
        memory: [words, load / 32] uint32 of the load chain, low bits first; the final word carries `w_last`.
        load: bits of the load chain.
        instances: RTL spelling of every node that has hardware; of a loop's nodes as `{loop}.{node}`.
        depths: FIFO in front of an input port of a node, with the reason for its depth.
        tagged: sequences and results carry tags, and errors come out at `e_*`.
    """

    name: str
    modules: Mapping[str, str]
    library: tuple[Path, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    memory: Ints
    load: int
    instances: Mapping[str, Instance]
    depths: Mapping[tuple[str, int], Depth]
    tagged: bool = False

    @property
    def text(self) -> str:
        """All generated SystemVerilog."""
        return "\n".join(self.modules.values())

    @cached_property
    def files(self) -> dict[str, str]:
        """File name to text: the generated modules, the library modules and the include files."""
        found = {path.name: path.read_text() for path in self.library}
        found |= {path.name: path.read_text() for path in sorted(INCLUDE.glob("*.svh"))}
        return found | {f"{name}.sv": text for name, text in self.modules.items()}

    def write(self, folder: Path) -> list[Path]:
        """Write every file into `folder`; returns the compiled sources in order, the top last."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text)
        return [folder / path.name for path in self.library] + [folder / f"{name}.sv" for name in self.modules]


def all_instances(graph: Graph, foldings: Mapping[str, Folding]) -> dict[str, Instance]:
    """Every node's spelling in the order of the load chain, those inside loops as `{loop}.{node}`."""
    outer = spell([graph], foldings)
    found: dict[str, Instance] = {}
    for node in graph.nodes:
        if isinstance(node.op, Loop):
            inner = spell(node.op.bodies, inside(foldings, node.name))
            found[node.name] = ring_instance(node.op, inner, foldings[node.name].ultra)
            found |= {f"{node.name}.{k}": i for k, i in inner.items()}
        elif node.name in outer:
            found[node.name] = outer[node.name]
    return found


def chain_memory(instances: Mapping[str, Instance]) -> tuple[Ints, int]:
    """Load words of all stores in order, and the bits of the chain."""
    stores = [rows for i in instances.values() for rows in i.memory]
    load = WIDE if sum(rows.size for rows in stores) > LONG_LOAD else NARROW
    words = load // 32
    padded = [np.pad(rows, ((0, 0), (0, -rows.shape[1] % words))).reshape(-1, words) for rows in stores]
    return (np.concatenate(padded) if padded else np.zeros((0, words), np.int64)), load


def lower(graph: Graph, foldings: Mapping[str, Folding], name: str | None = None) -> RtlDesign:
    """Generate the top level of `graph`.

    Args:
        foldings: one per node; of nodes inside a loop as `{loop}.{node}`.
        name: top module name; the graph's name by default.
    """
    top = name or f"{graph.name}_top"
    spelled = all_instances(graph, foldings)
    memory, load = chain_memory(spelled)
    every = {
        k: i if not i.memory else replace(i, parameters={**i.parameters, "Load": load}) for k, i in spelled.items()
    }
    writer = Writer()
    network = Network(writer, graph, {k: i for k, i in every.items() if "." not in k}, foldings, "w", load, top=top)
    loops = [n for n in graph.nodes if isinstance(n.op, Loop)]
    inputs = []
    for index, (value, kind) in enumerate(graph.inputs.items()):
        lanes = boundary_lanes(graph, network.instances, value) or kind.channels
        inputs.append(Port(f"s{index}", value, kind, lanes))
    sources = {p.value: Stream(p.prefix, p.lanes, p.kind.fixed.width) for p in inputs}
    if loops:
        sources, network.lengths = guard.place(writer, inputs, [n.op for n in loops if isinstance(n.op, Loop)])
    results = network.place(sources)
    outputs = tuple(Port(f"m{i}", o, graph.types[o], results[o].lanes) for i, o in enumerate(graph.outputs))
    for port in outputs:
        writer.forward(port.prefix, results[port.value].name)
    if loops:
        guard.pair(writer, outputs)
    chain = network.chain
    writer.lines.append(f"  assign {chain}_ready = 1'b1;")
    unused = "w_data, w_valid, w_last, clk, rst" if chain == "w" else f"{chain}_data, {chain}_valid, {chain}_last"
    writer.lines.append(f"  wire logic unused_load = &{{{unused}}};")
    ports = [line for p in inputs for line in slave(p.prefix, p.bits, p.note)]
    ports += [line for p in outputs for line in master(p.prefix, p.bits, p.note)]
    ports += (guard.ports() if loops else []) + slave("w", load)
    text = module(top, f"{graph.name}: {len(graph.nodes)} operators.", ports, writer.lines)
    modules = {i.module for i in every.values()} | {"stream_width", "stream_fork", "stream_fifo"}
    modules |= {"sequence_guard"} if loops else set()
    extra = [path for i in every.values() for path in i.sources]
    return RtlDesign(
        top,
        network.modules | {top: text},
        tuple(closure(sorted(modules), extra)),
        tuple(inputs),
        outputs,
        memory,
        load,
        every,
        network.queues,
        bool(loops),
    )
