# SPDX-License-Identifier: Apache-2.0
"""One party's datapath while it is written: its streams, and what hangs on link, generator and load chain.

**Why it cannot deadlock.** The link blocks nobody (`party_link`): every message has a queue of its own at the far end,
and words are sent on credit only. What is left is that `bit_pack` keeps back a word that is not full. So wherever a
party waits for its peer, what it waits with stands in a queue longer than the peer's packer can keep back
(`held_back`): the sender is not stopped before it has sent on what the receiver needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from gatewright.fixed import Ints
from gatewright.lower.writer import PARTS, Stream, Writer, master, module, pins, slave
from gatewright.secure.role import Role

KEY_WORDS = 10
"""Words of 32 bits of a session: key, and first query index."""
LOAD = 32
"""Bits of the load chain."""
ID_BITS = 6
"""Bits of a channel's number in a frame."""


@dataclass(frozen=True)
class Wires:
    """What both parties' datapaths have in common beside the program.

    Attributes:
        quarters: quarter rounds per cycle of a generator: 1, 2 or 4.
        cores: generators per party at most, among which streams are shared out.
        payload: bytes of a word of the link.
        depth: words of a message under way on the link.
        flight: beats that wait for the peer, at least; a round trip's worth keeps the datapath busy.
    """

    quarters: int = 4
    cores: int = 1
    payload: int = 8
    depth: int = 32
    flight: int = 32

    @property
    def frame(self) -> int:
        """Bits of a frame: credit, channel, payload."""
        return 1 + ID_BITS + 8 * self.payload


@dataclass(frozen=True)
class Random:
    """A stream of the generator: `words` words per query."""

    stream: int
    words: int
    name: str


@dataclass(frozen=True)
class Message:
    """A channel of the link.

    Attributes:
        step: of the program.
        elements: per query.
        bits: of an element.
        name: of the stream of link words.
    """

    step: int
    elements: int
    bits: int
    name: str

    def words(self, payload: int) -> int:
        """Words of `payload` bytes per query."""
        return -(-self.elements * field_bytes(self.bits) // payload)


@dataclass(frozen=True)
class Boundary:
    """A stream at a boundary of a generated top.

    Attributes:
        prefix: of its signals.
        lanes, width: elements per beat, and their bits.
        note: what travels here.
    """

    prefix: str
    lanes: int
    width: int
    note: str

    @property
    def bits(self) -> int:
        """Bits of a beat."""
        return self.lanes * self.width


def field_bytes(bits: int) -> int:
    """Bytes of an element of a message, see `gatewright.secure.words.pack`."""
    return (bits + 7) // 8


@dataclass(eq=False)
class Party:
    """A datapath while it is written.

    Attributes:
        role: whose.
        word: bits of a random word.
        wires: see there.
        inputs: ports for the client's data and the dealer's corrections, in order.
        randoms, sends, receives: what has been asked for so far.
        memory: rows of every store of the load chain, in order.
        chain: signal prefix of the load chain, as far as it has come.
        taps: what benches can see.
    """

    role: Role
    word: int
    wires: Wires
    writer: Writer = field(default_factory=Writer)
    inputs: list[Boundary] = field(default_factory=list)
    outputs: list[Boundary] = field(default_factory=list)
    randoms: list[Random] = field(default_factory=list)
    sends: list[Message] = field(default_factory=list)
    receives: list[Message] = field(default_factory=list)
    memory: list[Ints] = field(default_factory=list)
    chain: str = "w"
    taps: list[Boundary] = field(default_factory=list)

    @property
    def server(self) -> bool:
        """Whether this is the party that owns the model."""
        return self.role is Role.SERVER

    def held_back(self, bits: int, lanes: int) -> int:
        """Beats that the peer's packer may keep back at most, and one."""
        return -(-(self.wires.payload - 1) // (lanes * field_bytes(bits))) + 1

    def waiting(self, stream: Stream, name: str) -> Stream:
        """`stream` where it waits for a message of the same elements."""
        return self.writer.queue(stream, self.held_back(stream.width, stream.lanes), name)

    def port(self, prefix: str, lanes: int, width: int, note: str) -> Stream:
        """A stream that comes from outside."""
        self.inputs.append(Boundary(prefix, lanes, width, note))
        return Stream(prefix, lanes, width)

    def random(self, step: int, kind: int, elements: int, width: int, lanes: int) -> Stream:
        """`elements` words per query of stream `8 * step + kind`, of which `width` bits count."""
        name = f"g{step}_{kind}"
        self.randoms.append(Random(8 * step + kind, elements, name))
        words = self.writer.declare(Stream(name, 1, self.word))
        return self.writer.change_lanes(self.narrow(words, width, f"{name}_low"), lanes, f"{name}_lanes")

    def send(self, stream: Stream, step: int, elements: int) -> None:
        """Send `elements` elements per query to the peer as the message of `step`."""
        name = f"t{step}"
        packed = self.writer.declare(Stream(name, 1, 8 * self.wires.payload))
        self.sends.append(Message(step, elements, stream.width, name))
        self.writer.instance(
            "bit_pack",
            f"pack{step}",
            {"Width": stream.width, "Lanes": stream.lanes, "OutBytes": self.wires.payload},
            pins("s", stream.name) | pins("m", packed.name),
        )

    def receive(self, step: int, elements: int, width: int, lanes: int) -> Stream:
        """The peer's message of `step`: `elements` elements per query."""
        packed = self.writer.declare(Stream(f"r{step}", 1, 8 * self.wires.payload))
        self.receives.append(Message(step, elements, width, packed.name))
        out = self.writer.declare(Stream(f"r{step}_elements", lanes, width))
        self.writer.instance(
            "bit_unpack",
            f"unpack{step}",
            {"Width": width, "Lanes": lanes, "Beats": elements // lanes, "InBytes": self.wires.payload},
            pins("s", packed.name) | pins("m", out.name),
        )
        return out

    def add(self, left: Stream, right: Stream, out: Stream, name: str, subtract: bool = False) -> None:
        """`out` is the sum or difference of two streams of one ring."""
        sides = pins("s0", left.name) | pins("s1", right.name) | pins("m", out.name)
        parameters = {"Width": out.width, "Lanes": out.lanes, "Subtract": int(subtract)}
        self.writer.instance("share_add", name, parameters, sides)

    def narrow(self, stream: Stream, width: int, name: str) -> Stream:
        """The same shares in a smaller ring."""
        if stream.width == width:
            return stream
        out = self.writer.declare(Stream(name, stream.lanes, width))
        cut = [f"{stream.name}_data[{i * stream.width}+:{width}]" for i in reversed(range(stream.lanes))]
        self._wire(stream, out, f"{{{', '.join(cut)}}}")
        self.writer.lines.append(f"  wire logic unused_{name} = &{stream.name}_data;")
        return out

    def widen(self, stream: Stream, width: int, signed: bool, name: str) -> Stream:
        """Integers as elements of a ring."""
        if stream.width == width:
            return stream
        out = self.writer.declare(Stream(name, stream.lanes, width))
        sign = "signed" if signed else "unsigned"
        parts = [
            f"{width}'({sign}'({stream.name}_data[{i * stream.width}+:{stream.width}]))"
            for i in reversed(range(stream.lanes))
        ]
        self._wire(stream, out, f"{{{', '.join(parts)}}}")
        return out

    def _wire(self, stream: Stream, out: Stream, data: str) -> None:
        self.writer.lines += [
            f"  assign {out.name}_data = {data};",
            f"  assign {out.name}_valid = {stream.name}_valid;",
            f"  assign {out.name}_last = {stream.name}_last;",
            f"  assign {stream.name}_ready = {out.name}_ready;",
        ]

    def link(self, name: str, *rows: Ints) -> dict[str, str]:
        """Connections of the next piece of the load chain, which keeps `rows`."""
        self.writer.declare(Stream(f"x_{name}", 1, LOAD))
        found = pins("w", self.chain) | pins("x", f"x_{name}")
        self.chain = f"x_{name}"
        self.memory += rows
        return found

    def finish(self, name: str, title: str) -> str:
        """Place generator and link; the text of the module."""
        writer = self.writer
        self._place_generators()
        self._place_link()
        writer.forward("x", self.chain)
        ports = [line for b in self.inputs for line in slave(b.prefix, b.bits, b.note)]
        ports += [line for b in self.outputs for line in master(b.prefix, b.bits, b.note)]
        ports += slave("w", LOAD, "load chain in") + master("x", LOAD, "load chain out")
        ports += slave("k", 32, "key and first query index")
        ports += master("l", self.wires.frame, "frames to the peer") + slave(
            "r", self.wires.frame, "frames of the peer"
        )
        for tap in self.taps:
            ports += master(tap.prefix, tap.bits, tap.note, PARTS[:3])
        return module(name, title, ports, writer.lines)

    def tap(self, prefix: str, stream: Stream, note: str) -> None:
        """Show what moves on a stream at a port for benches."""
        self.taps.append(Boundary(prefix, stream.lanes, stream.width, f"for benches: {note}"))
        self.writer.lines += [
            f"  assign {prefix}_data = {stream.name}_data;",
            f"  assign {prefix}_valid = {stream.name}_valid && {stream.name}_ready;",
            f"  assign {prefix}_last = {stream.name}_last;",
        ]

    def _place_generators(self) -> None:
        """Every generator gets the whole session."""
        writer = self.writer
        shares = shared_out([r.words for r in self.randoms], self.wires.cores)
        sessions = writer.fork(Stream("k", 1, 32), "session", len(shares))
        for core, mine in enumerate([[self.randoms[i] for i in share] for share in shares]):
            parameters: dict[str, int | str] = {
                "Streams": len(mine),
                "Word": self.word,
                "Quarters": self.wires.quarters,
                "Ids": side_by_side([r.stream for r in mine]),
                "Counts": side_by_side([r.words for r in mine]),
            }
            connections = pins("k", sessions[core].name) | gathered("m", [r.name for r in mine])
            writer.instance("share_generator", f"generator{core}", parameters, connections)

    def _place_link(self) -> None:
        parameters = {
            "Sends": len(self.sends),
            "Receives": len(self.receives),
            "Width": 8 * self.wires.payload,
            "Depth": self.wires.depth,
            "IdBits": ID_BITS,
        }
        connections = gathered("s", [m.name for m in self.sends]) | gathered("m", [m.name for m in self.receives])
        self.writer.instance("party_link", "link", parameters, connections | pins("l", "l") | pins("r", "r"))


def gathered(port: str, names: Sequence[str]) -> dict[str, str]:
    """Connections of an array of streams, the first one in element 0."""
    return {f"{port}_{p}": "{" + ", ".join(f"{n}_{p}" for n in reversed(names)) + "}" for p in PARTS}


def side_by_side(numbers: Sequence[int]) -> str:
    """Numbers of 32 bits as one parameter, the first one lowest."""
    return f"{32 * len(numbers)}'h{sum(n << 32 * i for i, n in enumerate(numbers)):x}"


def shared_out(words: Sequence[int], cores: int) -> list[list[int]]:
    """Streams to generators: the largest first, each to the one with the least so far; indices by generator.

    Args:
        words: per query, of every stream.
    """
    found: list[list[int]] = [[] for _ in range(min(cores, len(words)))]
    loads = [0] * len(found)
    for index in sorted(range(len(words)), key=lambda i: -words[i]):
        core = loads.index(min(loads))
        found[core].append(index)
        loads[core] += words[index]
    return [sorted(share) for share in found]
