# SPDX-License-Identifier: Apache-2.0
"""A design that fetches its data itself, through PYNQ's buffers and registers: the simulated Alveo card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gatewright.overlay.bus import BusMachine
from gatewright.overlay.dma import register_bus
from gatewright.overlay.folder import Folder
from gatewright.shell.driver import Registers

MOST = (1 << 32) - 1
"""Bytes that a register of 32 bits can say."""


class MemoryMachine(BusMachine):
    """Pointers and sizes stand in registers.

    Args:
        title, folder, overlay, simulated, closing: as in `DmaMachine`.
    """

    def __init__(
        self,
        title: str,
        folder: Folder,
        overlay: Any,
        simulated: bool = False,
        closing: Callable[[], None] | None = None,
    ) -> None:
        self._overlay = overlay
        self._buffers: list[Any] = []
        super().__init__(title, Registers(register_bus(overlay, "accel")), folder.layout, MOST, simulated, closing)

    def move(self, data: bytes, room: int, loading: bool) -> None:
        """See `BusMachine`."""
        import pynq

        source = pynq.allocate((len(data),), "u1", target=self._overlay.device)
        source[:] = np.frombuffer(data, np.uint8)
        source.sync_to_device()
        self._buffers = [source]
        self._point("weights" if loading else "input", source, len(data))
        if not loading:
            target = pynq.allocate((max(1, room),), "u1", target=self._overlay.device)
            self._buffers.append(target)
            self._point("output", target, room)

    def _point(self, name: str, buffer: Any, size: int) -> None:
        self.registers.write(f"{name}_address", buffer.device_address)
        self.registers.write(f"{name}_bytes", size)

    def at_rest(self) -> bool:
        """See `BusMachine`: the shell is idle only when its last write has been answered."""
        return True

    def results(self) -> bytes:
        """See `BusMachine`."""
        self._buffers[1].sync_from_device()
        return bytes(self._buffers[1])

    def release(self) -> None:
        """See `BusMachine`."""
        self._buffers = []

    def halt(self) -> None:
        """See `BusMachine`: its own reset brings the buses to rest."""
