# SPDX-License-Identifier: Apache-2.0
"""Both parties and the link between them in one top, for simulation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from gatewright.fixed import Ints
from gatewright.lower.secure.design import PartyDesign
from gatewright.lower.secure.party import LOAD, Boundary
from gatewright.lower.sources import INCLUDE, closure
from gatewright.lower.writer import PARTS, Stream, Writer, master, module, pins, slave

KEYS = (Boundary("ks", 1, 32, "session of the server"), Boundary("kc", 1, 32, "session of the client"))


@dataclass(frozen=True)
class Line:
    """The link between the parties.

    Attributes:
        latency: cycles of one direction.
        stall: chance per cycle, in 256ths, that nothing arrives.
    """

    latency: int = 20
    stall: int = 64


@dataclass(frozen=True, eq=False)
class PairDesign:
    """What a simulator needs of both parties, see `gatewright.sim.library.Top`.

    Attributes:
        server, client: the halves.
        name, text: of the top.
    """

    server: PartyDesign
    client: PartyDesign
    name: str
    text: str

    load = LOAD
    tagged = False

    @property
    def inputs(self) -> tuple[Boundary, ...]:
        """Sessions of server and client, `ks` and `kc`, then what the client takes."""
        return (*KEYS, *self.client.inputs)

    @property
    def outputs(self) -> tuple[Boundary, ...]:
        """What the client learns, then the taps of the server (`s_` and their own names) and of the client (`c_`)."""
        return (*self.client.outputs, *_taps(self.server, "s"), *_taps(self.client, "c"))

    @property
    def memory(self) -> Ints:
        """[words, 1] of both load chains, the server's first."""
        return np.concatenate([self.server.memory, self.client.memory])

    @cached_property
    def library(self) -> list[Path]:
        """Library files, leaves first."""
        return list(dict.fromkeys([*self.server.library, *self.client.library, *closure(["party_line"])]))

    @property
    def made(self) -> dict[str, str]:
        """Generated modules by name, the top last."""
        return {self.server.name: self.server.text, self.client.name: self.client.text, self.name: self.text}

    @cached_property
    def files(self) -> dict[str, str]:
        """File name to text."""
        found = {path.name: path.read_text() for path in [*self.library, *sorted(INCLUDE.glob("*.svh"))]}
        return found | {f"{name}.sv": text for name, text in self.made.items()}

    def write(self, folder: Path) -> list[Path]:
        """Write every file into `folder`; returns the compiled sources in order, the top last."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text)
        return [folder / p.name for p in self.library] + [folder / f"{name}.sv" for name in self.made]


def _taps(party: PartyDesign, side: str) -> list[Boundary]:
    return [Boundary(f"{side}_{t.prefix}", t.lanes, t.width, t.note) for t in party.taps]


def pair(server: PartyDesign, client: PartyDesign, line: Line | None = None) -> PairDesign:
    """The top of both parties."""
    line, writer, frame = line or Line(), Writer(), server.wires.frame
    for name, bits in {"sl": frame, "sr": frame, "cl": frame, "cr": frame, "x": LOAD, "z": LOAD}.items():
        writer.declare(Stream(name, 1, bits))
    # The load chain goes through the server, then through the client.
    _place(writer, server, "s", {"k": "ks", "w": "w", "x": "x"})
    _place(writer, client, "c", {"k": "kc", "w": "x", "x": "z"})
    for seed, (source, sink) in enumerate((("sl", "cr"), ("cl", "sr")), 1):
        parameters = {"Width": frame, "Latency": line.latency, "Stall": line.stall, "Seed": seed}
        writer.instance("party_line", f"line_{source}", parameters, pins("s", source) | pins("m", sink))
    unused = [f"z_{part}" for part in PARTS[:3]]
    unused += [f"{t.prefix}_ready" for t in (*_taps(server, "s"), *_taps(client, "c"))]
    writer.lines += ["  assign z_ready = 1'b1;", f"  wire logic unused = &{{{', '.join(unused)}}};"]
    name = server.name.removesuffix("_server") + "_parties"
    found = PairDesign(server, client, name, "")
    ports = [text for b in found.inputs for text in slave(b.prefix, b.bits, b.note)]
    ports += [text for b in found.outputs for text in master(b.prefix, b.bits, b.note)]
    ports += slave("w", LOAD, "load chain")
    title = f"Both parties, {line.latency} cycles apart; nothing arrives in {line.stall} of 256 cycles."
    return PairDesign(server, client, name, module(name, title, ports, writer.lines))


def _place(writer: Writer, party: PartyDesign, side: str, chains: dict[str, str]) -> None:
    """Instantiate a party; its boundaries are the top's, its taps get `side` in front."""
    wired = pins("l", f"{side}l") | pins("r", f"{side}r")
    for port, signal in chains.items():
        wired |= pins(port, signal)
    for boundary in (*party.inputs, *party.outputs):
        wired |= pins(boundary.prefix, boundary.prefix)
    for tap in party.taps:
        wired |= pins(tap.prefix, f"{side}_{tap.prefix}", PARTS[:3])
    writer.instance(party.name, side, {}, wired)
