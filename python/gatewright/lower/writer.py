# SPDX-License-Identifier: Apache-2.0
"""Spelling of generated SystemVerilog: streams, instances, forks, modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import gcd

PARTS = ("data", "valid", "last", "ready")
"""Signals of a stream."""


@dataclass(frozen=True)
class Stream:
    """Signals `{name}_data` and so on, `lanes` channels of `width` bits."""

    name: str
    lanes: int
    width: int

    @property
    def bits(self) -> int:
        """Bits of a beat."""
        return self.lanes * self.width


def literal(value: int | str) -> str:
    """A parameter's value; what exceeds 32 bits is spelled with its size, and text as it is."""
    if isinstance(value, str):
        return value
    return str(value) if -(1 << 31) <= value < 1 << 31 else f"{value.bit_length()}'h{value:x}"


def pins(port: str, signal: str, parts: Iterable[str] = PARTS) -> dict[str, str]:
    """Connections of one stream port to the signals of one stream."""
    return {f"{port}_{part}": f"{signal}_{part}" for part in parts}


class Writer:
    """Collects declarations and instances of one module."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def declare(self, stream: Stream) -> Stream:
        """Declare the signals of a stream."""
        name = stream.name
        self.lines.append(f"  logic [{stream.bits - 1}:0] {name}_data;")
        self.lines.append(f"  logic {name}_valid, {name}_last, {name}_ready;")
        return stream

    def instance(self, module: str, name: str, parameters: Mapping[str, int | str], pins: Mapping[str, str]) -> None:
        """Instantiate `module` as `u_{name}`."""
        self.lines.append(f"  {module} #(" if parameters else f"  {module} u_{name} (")
        if parameters:
            self.lines.append(",\n".join(f"      .{k}({literal(v)})" for k, v in parameters.items()))
            self.lines.append(f"  ) u_{name} (")
        self.lines.append("      .clk,\n      .rst,")
        self.lines.append(",\n".join(f"      .{k}({v})" for k, v in pins.items()))
        self.lines.append("  );\n")

    def change_lanes(self, stream: Stream, lanes: int, name: str) -> Stream:
        """`stream` with `lanes` channels per beat, through the common divisor when neither divides the other."""
        if stream.lanes == lanes:
            return stream
        if stream.lanes % lanes and lanes % stream.lanes:
            stream = self.change_lanes(stream, gcd(stream.lanes, lanes), f"{name}_narrow")
        out = self.declare(Stream(name, lanes, stream.width))
        self.instance(
            "stream_width",
            name,
            {"Width": stream.width, "InLanes": stream.lanes, "OutLanes": lanes},
            {**pins("s", stream.name), **pins("m", name)},
        )
        return out

    def queue(self, stream: Stream, beats: int, name: str) -> Stream:
        """`stream` behind a FIFO of `beats`."""
        out = self.declare(Stream(f"q_{name}", stream.lanes, stream.width))
        self.instance(
            "stream_fifo",
            f"fifo_{name}",
            {"Width": out.bits, "Depth": beats},
            {**pins("s", stream.name), **pins("m", out.name)},
        )
        return out

    def fork(self, source: Stream, name: str, count: int) -> list[Stream]:
        """`count` copies of a stream."""
        if count == 1:
            return [source]
        branches = [self.declare(Stream(f"f_{name}_{i}", source.lanes, source.width)) for i in range(count)]
        joined = {p: "{" + ", ".join(f"{b.name}_{p}" for b in reversed(branches)) + "}" for p in PARTS}
        self.instance(
            "stream_fork",
            f"fork_{name}",
            {"Width": source.bits, "Outputs": count},
            {**pins("s", source.name), **{f"m_{k}": v for k, v in joined.items()}},
        )
        return branches

    def forward(self, port: str, signal: str) -> None:
        """Put a stream out at a port of the module."""
        self.lines += [f"  assign {port}_{part} = {signal}_{part};" for part in ("data", "valid", "last")]
        self.lines.append(f"  assign {signal}_ready = {port}_ready;")


def slave(prefix: str, bits: int, note: str = "", parts: Sequence[str] = PARTS) -> list[str]:
    """Port declarations of a stream into the module."""
    return _port(prefix, bits, "input  wire", "output     ", note, parts)


def master(prefix: str, bits: int, note: str = "", parts: Sequence[str] = PARTS) -> list[str]:
    """Port declarations of a stream out of the module."""
    return _port(prefix, bits, "output     ", "input  wire", note, parts)


def _port(prefix: str, bits: int, to: str, back: str, note: str, parts: Sequence[str]) -> list[str]:
    found = []
    for part in parts:
        way = back if part == "ready" else to
        size = f"[{bits - 1}:0] " if part == "data" else ""
        found.append(f"    {way} logic {size}{prefix}_{part}")
    if note:
        found[0] += f"@  ///< {note}"
    return found


def module(name: str, title: str, ports: Sequence[str], body: Sequence[str]) -> str:
    """Text of a module; a port may carry a note behind "@"."""
    everything = ["    input  wire logic clk", "    input  wire logic rst", *ports]
    listed = []
    for i, line in enumerate(everything):
        code, _, note = line.partition("@")
        listed.append(code + ("," if i < len(everything) - 1 else "") + note)
    head = ["// Generated by gatewright; do not edit.", "`default_nettype none", "", f"/// {title}", f"module {name} ("]
    return "\n".join([*head, *listed, ");", *body, "endmodule", "", "`default_nettype wire", ""])
