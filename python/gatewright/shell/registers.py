# SPDX-License-Identifier: Apache-2.0
"""The register map, described once: RTL decoder, driver, C header, documentation and kernel.xml are made from `MAP`.

The first four registers are those of `ap_ctrl_hs`, with which XRT and Vitis HLS start a kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

WORD = 32
"""Bits of the bus."""
ADDRESS_BITS = 8
"""Bits of a byte address inside the map."""
VERSION = 1
"""Of this map; counts up with every change that a driver would notice."""
IDENTITY = 0x4757 << 16 | VERSION
"""What the register `identity` reads: "GW" and the version."""


class Access(Enum):
    """Who changes a field, and when; the ports of the decoder follow from it."""

    RW = "read and write"
    RO = "read only"
    START = "write 1 to set; the hardware clears it"
    PULSE = "write 1 for one pulse; reads 0"
    CLEAR_ON_READ = "set by the hardware, cleared by reading"
    STICKY = "set by the hardware, write 1 to clear"
    POP = "read only; reading takes the entry out of its queue"
    CONSTANT = "constant of the bitstream"


class Group(Enum):
    """Parts of the map that not every shell has; the value is the decoder's parameter."""

    ALWAYS = ""
    MEMORY = "Memory"
    DIRECT = "Direct"
    LINK = "Link"


@dataclass(frozen=True)
class Field:
    """Bits of a register.

    Attributes:
        name: of the field; empty if the register has only this one.
        low: lowest bit.
        bits: how many.
        access: see `Access`.
        note: one sentence.
    """

    name: str
    low: int
    bits: int
    access: Access
    note: str = ""


@dataclass(frozen=True)
class Register:
    """A register of 32 bits, or of 64 as two words, low word first.

    Attributes:
        name: of the register.
        offset: byte address of its low word.
        fields: its bits, low ones first.
        note: one sentence.
        group: which shells have it.
        bits: 32 or 64.
        bus: AXI master that an address is meant for.
    """

    name: str
    offset: int
    fields: tuple[Field, ...]
    note: str
    group: Group = Group.ALWAYS
    bits: int = WORD
    bus: str = ""

    @property
    def words(self) -> int:
        """Words of the bus."""
        return self.bits // WORD


def signal(register: Register, field: Field) -> str:
    """Name of a field in RTL, C and the driver."""
    return f"{register.name}_{field.name}" if field.name else register.name


def flags(access: Access, *notes: tuple[str, str], low: int = 0) -> tuple[Field, ...]:
    """Fields of one bit, from bit `low` on."""
    return tuple(Field(name, low + i, 1, access, note) for i, (name, note) in enumerate(notes))


def whole(access: Access, bits: int = WORD) -> tuple[Field, ...]:
    """The one field of a register without parts."""
    return (Field("", 0, bits, access),)


def _pointer(name: str, offset: int, note: str, bus: str) -> Register:
    return Register(name, offset, whole(Access.RW, 64), note, Group.MEMORY, 64, bus)


_EVENTS = (("done", "a run has ended"), ("ready", "the next run may start"), ("error", "a flag of `errors` was set"))

MAP: tuple[Register, ...] = (
    Register(
        "control",
        0x00,
        (
            Field("start", 0, 1, Access.START, "run `sequences` sequences, or load weights if `mode` says so"),
            Field("done", 1, 1, Access.CLEAR_ON_READ, "a run has ended since the last read"),
            Field("idle", 2, 1, Access.RO, "nothing runs"),
            Field("ready", 3, 1, Access.CLEAR_ON_READ, "the next run may start"),
            Field("auto_restart", 7, 1, Access.RW, "start again when a run ends"),
        ),
        "ap_ctrl_hs: start and end of a run.",
    ),
    Register("interrupt_global", 0x04, flags(Access.RW, ("enable", "let interrupts out")), "Interrupts as a whole."),
    Register("interrupt_enable", 0x08, flags(Access.RW, *_EVENTS), "Which events are kept in `interrupt_status`."),
    Register("interrupt_status", 0x0C, flags(Access.STICKY, *_EVENTS), "Events; the interrupt is on while one is set."),
    _pointer("input_address", 0x10, "Sequences, each behind its number of tokens; see docs/decisions/0020.", "gmem0"),
    _pointer("output_address", 0x18, "Where results go, back to back.", "gmem1"),
    _pointer("weights_address", 0x20, "Words of the load chain.", "gmem0"),
    Register("input_bytes", 0x30, whole(Access.RW), "Bytes at `input_address`.", Group.MEMORY),
    Register("output_bytes", 0x34, whole(Access.RW), "Room at `output_address` in bytes.", Group.MEMORY),
    Register("weights_bytes", 0x38, whole(Access.RW), "Bytes at `weights_address`.", Group.MEMORY),
    Register("sequences", 0x3C, whole(Access.RW), "Sequences of a run; a run of none ends at once."),
    Register("mode", 0x40, flags(Access.RW, ("load", "a run loads weights")), "What a run does.", Group.DIRECT),
    Register(
        "command",
        0x44,
        flags(Access.PULSE, ("reset", "reset network, queues and load; registers and link stay")),
        "Commands that take effect at once.",
    ),
    Register(
        "status",
        0x48,
        flags(
            Access.RO,
            ("running", "a run is under way"),
            ("loaded", "all weights are loaded"),
            ("result", "a beat of a result waits"),
            ("rejected", "an entry of `rejected` waits"),
        ),
        "What the design does now.",
    ),
    Register(
        "errors",
        0x4C,
        flags(
            Access.STICKY,
            ("input_bus", "a read of input or lengths was answered with an error"),
            ("output_bus", "a write of results was answered with an error"),
            ("weights_bus", "a read of weights was answered with an error"),
            ("input_length", "`input_bytes` is not what the lengths say"),
            ("output_length", "results are longer than `output_bytes`; the rest is lost"),
            ("weights_length", "`weights_bytes` is not the length of the load chain"),
            ("not_loaded", "start without weights: nothing was run"),
            ("malformed", "a sequence was rejected, see `rejected`"),
            ("link_crc", "a packet with a wrong checksum was dropped"),
            ("link_frame", "a broken character or escape was dropped with its packet"),
            ("link_length", "a packet that is too short or too long was dropped"),
            ("link_overrun", "a packet came before the last one was answered, and was dropped"),
            ("link_request", "a request was refused"),
        ),
        "What went wrong; stays until cleared.",
    ),
    Register(
        "rejected",
        0x50,
        (
            Field("tag", 0, 8, Access.POP, "of the sequence"),
            Field("cause", 8, 2, Access.POP, "0 too long, 1 too short, 2 unfinished, 3 ends inside a token"),
            Field("valid", 31, 1, Access.POP, "there was an entry"),
        ),
        "The oldest malformed sequence. A UART shell waits until it is read; others keep 16, and count the rest.",
    ),
    Register("finished", 0x54, whole(Access.RO), "Sequences of this run that gave a result."),
    Register("rejections", 0x58, whole(Access.RO), "Sequences of this run that were malformed."),
    Register("link_errors", 0x5C, whole(Access.RO), "Packets dropped since reset.", Group.LINK),
    Register("cycles", 0x60, whole(Access.RO, 64), "Clock cycles of this run, or of the last one.", bits=64),
    Register(
        "input_stalls", 0x68, whole(Access.RO), "Cycles of the run in which an input beat waited for the network."
    ),
    Register("output_stalls", 0x6C, whole(Access.RO), "Cycles of the run in which a result waited for its receiver."),
    Register("build_id", 0x70, whole(Access.CONSTANT, 64), "Hash of the design's hardware.", bits=64),
    Register("identity", 0x78, whole(Access.CONSTANT), '"GW" and the version of this map.'),
    Register(
        "beats",
        0x7C,
        (
            Field("input", 0, 16, Access.CONSTANT, "bits of an input beat"),
            Field("output", 16, 16, Access.CONSTANT, "bits of an output beat"),
        ),
        "Widths of the streams.",
    ),
    Register("load_words", 0x80, whole(Access.CONSTANT), "Words of the load chain."),
    Register("load_bits", 0x84, whole(Access.CONSTANT), "Bits of such a word."),
    Register("packet_bytes", 0x88, whole(Access.CONSTANT), "Most bytes of data in a packet.", Group.LINK),
)
"""Every register, by offset."""


def fields(registers: tuple[Register, ...] = MAP) -> Iterator[tuple[Register, Field]]:
    """Every field with its register."""
    for register in registers:
        for field in register.fields:
            yield register, field


def by_name() -> dict[str, Register]:
    """Registers by name."""
    return {r.name: r for r in MAP}


def arguments() -> tuple[Register, ...]:
    """Registers that a host sets before a run: the arguments of an XRT kernel."""
    return tuple(r for r in MAP if 0x10 <= r.offset < 0x44 and all(f.access is Access.RW for f in r.fields))
