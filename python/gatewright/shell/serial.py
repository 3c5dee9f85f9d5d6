# SPDX-License-Identifier: Apache-2.0
"""A serial port, by the operating system's own means."""

from __future__ import annotations

import os
import select
from pathlib import Path
from types import TracebackType

from gatewright.errors import DeviceError

PATIENCE = 0.2
"""Seconds of silence after which a request counts as lost."""


class SerialPort:
    """A port such as /dev/ttyUSB0, raw, 8N1.

    Args:
        path: of the port.
        baud: bits per second, one of the speeds that the system knows.
        patience: seconds that `read` waits.

    Raises:
        DeviceError: the port cannot be opened, or has no such speed.
    """

    def __init__(self, path: str | Path, baud: int, patience: float = PATIENCE) -> None:
        self.path, self.patience = str(path), patience
        try:
            import termios
            import tty
        except ImportError:
            raise DeviceError("serial port", "this system has no termios", "Linux or macOS") from None
        speed = getattr(termios, f"B{baud}", None)
        if speed is None:
            known = sorted(int(n[1:]) for n in dir(termios) if n[0] == "B" and n[1:].isdigit() and int(n[1:]))
            raise DeviceError(self.path, f"{baud} baud", ", ".join(map(str, known)))
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError as error:
            hint = "name the port of the board, and belong to the group that may use it (often dialout)"
            raise DeviceError(self.path, f"cannot be opened: {error.strerror}", hint=hint) from error
        tty.setraw(self._file)
        settings = termios.tcgetattr(self._file)
        settings[2] = (settings[2] | termios.CLOCAL | termios.CREAD) & ~(termios.CSTOPB | termios.PARENB)
        settings[4] = settings[5] = speed
        termios.tcsetattr(self._file, termios.TCSANOW, settings)
        termios.tcflush(self._file, termios.TCIOFLUSH)

    def write(self, data: bytes) -> None:
        """Send bytes."""
        rest = memoryview(data)
        while rest:
            select.select([], [self._file], [])
            rest = rest[os.write(self._file, rest) :]

    def read(self) -> bytes:
        """Bytes that came; nothing after `patience` seconds without one."""
        ready, _, _ = select.select([self._file], [], [], self.patience)
        return os.read(self._file, 4096) if ready else b""

    def close(self) -> None:
        """Give the port back."""
        os.close(self._file)

    def __enter__(self) -> SerialPort:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
