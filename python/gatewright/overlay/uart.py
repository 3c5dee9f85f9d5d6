# SPDX-License-Identifier: Apache-2.0
"""A design behind a UART: on a small board, or simulated down to the bits of the line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gatewright.bitstream.simulation import streams
from gatewright.design import Design
from gatewright.errors import DataError, DeviceError
from gatewright.overlay.folder import Folder
from gatewright.shell.accelerator import Accelerator
from gatewright.shell.layout import Words
from gatewright.shell.link import Transport
from gatewright.shell.serial import SerialPort
from gatewright.shell.wrap import uart
from gatewright.sim.beats import from_whole_bytes, whole_bytes
from gatewright.sim.uart import SimulatedPort, build

MOST = 1 << 30
"""Bytes of a run; a day at a megabaud."""


class UartMachine:
    """The host is in the middle of every packet, so a run that was begun goes on only while somebody waits for it.

    Args:
        title: what it is.
        folder: of the build.
        transport: to the device.
        closing: called by `close`.
    """

    def __init__(self, title: str, folder: Folder, transport: Transport, closing: Callable[[], None]) -> None:
        self.title, self.most, self.patience, self.pause = title, MOST, 3600.0, 0.0
        self._streams = streams(folder.path)[0]
        self._accelerator = Accelerator(transport, self._streams)
        self.registers = self._accelerator.registers
        self._closing = closing
        self._waiting: list[bytes] = []
        self._found: list[Words] = []

    def begin_load(self, words: Words) -> None:
        """See `Machine`."""
        self._waiting, self._found = [], []
        self._accelerator.load(words)

    def begin(self, sequences: Sequence[Words], tokens: Sequence[int]) -> None:
        """See `Machine`."""
        self._waiting = [whole_bytes(np.ascontiguousarray(s), self._streams.input_bits) for s in sequences]

    def ended(self) -> bool:
        """See `Machine`; this is where a run takes place.

        Raises:
            DeviceError: a sequence was rejected, or the device does not answer.
        """
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            found = self._accelerator.run(waiting)
            self._found = [from_whole_bytes(raw, self._streams.output_bits) for raw in found]
        return True

    def collect(self) -> list[Words]:
        """See `Machine`."""
        found, self._found = self._found, []
        return found

    def reset(self) -> None:
        """See `Machine`."""
        self._waiting, self._found = [], []
        self._accelerator.reset()

    def close(self) -> None:
        """See `Machine`."""
        self._closing()


def open_port(folder: Folder, device: Any) -> UartMachine:
    """The board at a serial port, "/dev/ttyUSB0" or the number of such a port.

    Raises:
        DeviceError: no port was named, it cannot be opened, or something else answers.
    """
    if device is None:
        raise DeviceError("serial port", "none was named", 'device="/dev/ttyUSB0" or so, or device="sim"')
    path = f"/dev/ttyUSB{device}" if isinstance(device, int) else str(device)
    port = SerialPort(path, int(folder.fact("baud")))
    try:
        return UartMachine(f"board at {path}", folder, port, port.close)
    except DeviceError:
        port.close()
        raise


def simulated(folder: Folder) -> UartMachine:
    """The design of the folder in its shell, Verilated.

    Raises:
        DataError: this version of the package would build something else from the folder.
    """
    top = uart(Design.load(folder.path).rtl, float(folder.fact("clock_mhz")), int(folder.fact("baud")))
    if top.build_id != folder.build_id:
        raise DataError(
            str(folder.path), "was built by another version", f"build id {top.build_id:016x}", "build again"
        )
    port = SimulatedPort(build(top.name, top.files, top.sources), top.divisor)
    return UartMachine("UART, simulated", folder, port, port.close)
