# SPDX-License-Identifier: Apache-2.0
"""Registers of an AXI DMA in direct register mode (AMD PG021), in front of the simulated streams."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewright.errors import DeviceError
from gatewright.sim.shell import Kernel

CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH = 0x00, 0x04, 0x18, 0x1C, 0x28
RECEIVE = 0x30
"""Of the registers of the channel that writes memory; those of the one that reads it lie at 0."""
RUN, RESET = 1 << 0, 1 << 2
HALTED, IDLE, INTERNAL_ERROR, DECODE_ERROR = 1 << 0, 1 << 1, 1 << 4, 1 << 6


@dataclass
class Channel:
    """State of one direction.

    Attributes:
        running: it may transfer.
        errors: bits of the status register; they stay until a reset.
        started: a transfer has been asked for since it runs.
        words: address and length as written.
    """

    running: bool = False
    errors: int = 0
    started: bool = False
    words: dict[int, int] = field(default_factory=dict)


class Dma:
    """Both channels.

    Args:
        kernel: whose streams they feed.
    """

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._channels = {0: Channel(), RECEIVE: Channel()}

    def read(self, offset: int) -> int:
        """A register.

        Raises:
            DeviceError: there is none.
        """
        channel, register, inward = self._find(offset)
        state = self._kernel.progress(inward)
        if register == CONTROL:
            return RUN if channel.running else 0
        if register == STATUS:
            # A packet that is longer than its room is an internal error, and halts.
            channel.errors |= INTERNAL_ERROR if state.overflow else 0
            halted = not channel.running or channel.errors
            idle = channel.started and not state.active and not halted
            return (HALTED if halted else 0) | (IDLE if idle else 0) | channel.errors
        if register == LENGTH and not inward:
            return state.done
        return channel.words.get(register, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register; errors as in `read`."""
        channel, register, inward = self._find(offset)
        if register == CONTROL and value & RESET:
            for base in self._channels:
                self._channels[base] = Channel()
                self._kernel.stop(base == 0)
        elif register == CONTROL:
            channel.running = bool(value & RUN)
            channel.started = channel.started and channel.running
        elif register == LENGTH:
            self._transfer(channel, inward, value)
        elif register != STATUS:
            channel.words[register] = value

    def _transfer(self, channel: Channel, inward: bool, size: int) -> None:
        channel.words[LENGTH] = size
        if not channel.running or channel.errors:
            return
        channel.started = True
        address = channel.words.get(ADDRESS, 0) | channel.words.get(ADDRESS_HIGH, 0) << 32
        if not size:
            channel.errors |= INTERNAL_ERROR
        elif not self._kernel.transfer(inward, address, size):
            channel.errors |= DECODE_ERROR

    def _find(self, offset: int) -> tuple[Channel, int, bool]:
        base = RECEIVE if offset >= RECEIVE else 0
        register = offset - base
        if register not in (CONTROL, STATUS, ADDRESS, ADDRESS_HIGH, LENGTH):
            raise DeviceError(f"register {offset:#04x} of the DMA", "does not exist", "those of AMD PG021, simple mode")
        return self._channels[base], register, base == 0
