# SPDX-License-Identifier: Apache-2.0
"""A generated network inside the UART shell: one module with clock, reset, `rx` and `tx`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from gatewright.errors import BoardError
from gatewright.lower.guard import TAG_BITS
from gatewright.lower.rtl import RtlDesign
from gatewright.lower.writer import Writer, module
from gatewright.shell.accelerator import Streams
from gatewright.shell.inner import Wrapped, beats, place

PACKET = 256
"""Bytes of data in a packet, unless a beat is larger."""
BEATS = 16
"""Fewest beats that wait in front of the network and behind it."""


@dataclass(frozen=True, eq=False)
class UartDesign(Wrapped):
    """A network in its shell: ports clk, rst, rx, tx, running, failed.

    Attributes:
        divisor: clock cycles per bit of the UART.
    """

    divisor: int

    SHELL: ClassVar[str] = "uart_shell"
    SUFFIX: ClassVar[str] = "uart"

    @property
    def packet(self) -> int:
        """Bytes of data in the longest packet."""
        beat = max(-(-self.source.bits // 8), self.network.load // 8)
        return PACKET if beat <= PACKET else beat

    @property
    def streams(self) -> Streams:
        """What a host must know."""
        words = len(self.network.memory)
        return Streams(self.build_id, self.source.bits, self.result.bits, self.packet, self.network.load, words)

    def top(self) -> str:
        """Text of the top module."""
        network, writer = self.network, Writer()
        wires = place(writer, self) | {"m_tag": "out_tag"}
        wires |= {name: name for name in ("rx", "tx", "running", "failed")}
        writer.instance(
            self.SHELL,
            "shell",
            {
                "Divisor": self.divisor,
                "InBits": self.source.bits,
                "OutBits": self.result.bits,
                "Load": network.load,
                "LoadWords": len(network.memory),
                "TagBits": TAG_BITS,
                "InputBeats": max(BEATS, beats(self.source)),
                "OutputBeats": max(BEATS, beats(self.result)),
                "PacketBytes": self.packet,
                "BuildId": self.build_id,
            },
            wires,
        )
        ports = [
            "    input  wire logic rx@  ///< UART from the host",
            "    output      logic tx@  ///< UART to the host",
            "    output      logic running@  ///< a run is under way",
            "    output      logic failed@  ///< an error flag is set",
        ]
        title = f"{network.name} behind a UART of {self.divisor} cycles per bit."
        return module(self.name, title, ports, writer.lines)


def divisor(clock_mhz: float, baud: int) -> int:
    """Clock cycles per bit.

    Raises:
        BoardError: the speed is off by more than 2.5 %, half of what a UART bears.
    """
    cycles = round(clock_mhz * 1e6 / baud)
    if cycles < 4 or abs(clock_mhz * 1e6 / cycles / baud - 1) > 0.025:
        problem = f"{baud} baud at {clock_mhz:g} MHz is {clock_mhz * 1e6 / baud:.2f} cycles per bit"
        raise BoardError("uart", problem, "4 cycles or more, within 2.5 % of a whole number")
    return cycles


def uart(network: RtlDesign, clock_mhz: float, baud: int) -> UartDesign:
    """Put a network into the UART shell.

    Raises:
        UnsupportedError: it has more than one input or output.
        BoardError: the clock does not make that speed.
    """
    return UartDesign(network, divisor(clock_mhz, baud))
