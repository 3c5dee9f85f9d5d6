# SPDX-License-Identifier: Apache-2.0
"""What every top with a shell has inside: the network, resettable, behind a guard that lets only whole sequences in."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from gatewright.errors import UnsupportedError
from gatewright.graph import least_tokens, most_tokens
from gatewright.lower.guard import CAUSE_BITS, TAG_BITS
from gatewright.lower.rtl import Port, RtlDesign
from gatewright.lower.sources import closure
from gatewright.lower.writer import PARTS, Stream, Writer, pins


@dataclass(frozen=True, eq=False)
class Wrapped(ABC):
    """A network in a shell.

    Attributes:
        network: what is inside.
    """

    network: RtlDesign

    SHELL: ClassVar[str]
    """Module of the shell."""
    SUFFIX: ClassVar[str]
    """Of the top module's name."""

    def __post_init__(self) -> None:
        """Check that a shell can hold the network.

        Raises:
            UnsupportedError: it has more than one input or output.
        """
        if len(self.network.inputs) != 1 or len(self.network.outputs) != 1:
            problem = f"{len(self.network.inputs)} inputs and {len(self.network.outputs)} outputs"
            raise UnsupportedError(f"design {self.network.name}", problem, "one input and one output behind a shell")

    @property
    def name(self) -> str:
        """Top module."""
        return f"{self.network.name}_{self.SUFFIX}"

    @property
    def source(self) -> Port:
        """The input."""
        return self.network.inputs[0]

    @property
    def result(self) -> Port:
        """The output."""
        return self.network.outputs[0]

    @cached_property
    def build_id(self) -> int:
        """SHA-256 of the network's hardware, 63 bits behind a 1, so that no design is 0; weights are no part of it."""
        state = hashlib.sha256()
        for name, text in sorted(self.network.files.items()):
            state.update(f"{name}\0{text}\0".encode())
        return int.from_bytes(state.digest()[:8], "big") | 1 << 63

    @cached_property
    def library(self) -> tuple[Path, ...]:
        """Library files of shell and network, leaves first."""
        own = closure([self.SHELL, *([] if self.network.tagged else ["sequence_guard"])])
        return tuple(dict.fromkeys([*self.network.library, *own]))

    @abstractmethod
    def top(self) -> str:
        """Text of the top module."""

    @cached_property
    def text(self) -> str:
        """The top module."""
        return self.top()

    @cached_property
    def files(self) -> dict[str, str]:
        """File name to text, as `RtlDesign.files`."""
        own = {path.name: path.read_text() for path in self.library}
        return own | self.network.files | {f"{self.name}.sv": self.text}

    @property
    def sources(self) -> list[str]:
        """Names of the files that are compiled, in order, the top last."""
        return [p.name for p in self.library] + [f"{n}.sv" for n in (*self.network.modules, self.name)]


def place(writer: Writer, design: Wrapped, keep: str = "1'b1") -> dict[str, str]:
    """Instantiate guard and network; returns the connections of the shell's ports on that side.

    Args:
        keep: signal that is 0 where a beat of the input is a null beat.
    """
    network, source, result = design.network, design.source, design.result
    inward = writer.declare(Stream("in", 1, source.bits))
    outward = writer.declare(Stream("out", 1, result.bits))
    chain = writer.declare(Stream("w", 1, network.load))
    writer.lines += [
        "  logic network_rst;",
        f"  logic [{TAG_BITS - 1}:0] in_tag, out_tag;",
        f"  logic [{CAUSE_BITS + TAG_BITS - 1}:0] e_data;",
        "  logic e_valid, e_ready;",
    ]
    inner = pins(source.prefix, "guarded") | pins(result.prefix, outward.name) | pins("w", chain.name)
    if network.tagged:
        inner = pins(source.prefix, inward.name) | pins(result.prefix, outward.name) | pins("w", chain.name)
        inner |= {f"{source.prefix}_keep": keep, f"{source.prefix}_tag": "in_tag", f"{result.prefix}_tag": "out_tag"}
        inner |= {name: name for name in ("e_data", "e_valid", "e_ready")}
    else:
        _guard(writer, source, keep)
    _instance(writer, network.name, inner)
    ours = pins("s", inward.name) | pins("m", outward.name) | pins("w", chain.name)
    return ours | {"s_tag": "in_tag"} | {name: name for name in ("network_rst", "e_data", "e_valid", "e_ready")}


def beats(port: Port) -> int:
    """Beats of the longest sequence."""
    return most_tokens(port.kind.tokens) * port.kind.channels // port.lanes


def _guard(writer: Writer, port: Port, keep: str) -> None:
    """Only whole sequences of a legal length reach a network that does not look itself; results get their tags back."""
    guarded = writer.declare(Stream("guarded", port.lanes, port.kind.fixed.width))
    size = most_tokens(port.kind.tokens).bit_length()
    writer.lines += [
        f"  logic [{size - 1}:0] lengths_data;",
        "  logic lengths_valid, tags_valid, tags_ready;",
        "  assign tags_ready = out_valid && out_ready && out_last;",
        "  wire logic unused_lengths = &{lengths_valid, lengths_data, tags_valid};",
    ]
    _instance(
        writer,
        "sequence_guard",
        pins("s", "in")
        | {"s_keep": keep, "s_tag": "in_tag"}
        | pins("m", guarded.name)
        | {"n_data": "lengths_data", "n_valid": "lengths_valid", "n_ready": "1'b1"}
        | {"t_data": "out_tag", "t_valid": "tags_valid", "t_ready": "tags_ready"}
        | {f"e_{part}": f"e_{part}" for part in PARTS if part != "last"},
        guard_parameters(port),
    )


def guard_parameters(port: Port) -> dict[str, int]:
    """Of `sequence_guard` in front of a network that does not look itself."""
    most = most_tokens(port.kind.tokens)
    return {
        "Width": port.bits,
        "Beats": port.kind.channels // port.lanes,
        "MinTokens": least_tokens(port.kind.tokens),
        "MaxTokens": most,
        "Depth": 2 * most,
        "TagBits": TAG_BITS,
        "Sequences": 1 << TAG_BITS - 1,
    }


def _instance(
    writer: Writer, name: str, wires: Mapping[str, str], parameters: Mapping[str, int | str] | None = None
) -> None:
    """An instance that the shell can reset."""
    at = len(writer.lines)
    writer.instance(name, name, parameters or {}, wires)
    writer.lines[at:] = [x.replace(".clk,\n      .rst,", ".clk,\n      .rst(network_rst),") for x in writer.lines[at:]]
