# SPDX-License-Identifier: Apache-2.0
"""A design beside an AXI DMA, through PYNQ: on a Zynq board, and just the same on the simulated device."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from gatewright.errors import DeviceError
from gatewright.overlay.bus import BusMachine
from gatewright.overlay.folder import Folder
from gatewright.shell.driver import Registers

RESET = 1 << 2
"""Bit of a control register of the DMA (AMD PG021) that resets both channels."""
RESET_SECONDS = 1.0


def register_bus(overlay: Any, name: str) -> Any:
    """PYNQ's MMIO of the design in an overlay.

    A module reference goes by its name, in some versions of Vivado with the interface behind it.

    Raises:
        DeviceError: there is no such IP.
    """
    import pynq

    for key, entry in overlay.ip_dict.items():
        if key == name or key.startswith(f"{name}/"):
            return pynq.MMIO(entry["phys_addr"], entry["addr_range"], device=overlay.device)
    raise DeviceError(overlay.bitfile_name, f"it has no IP {name!r}", ", ".join(overlay.ip_dict), "build again")


class DmaMachine(BusMachine):
    """Data go through one send and one receive channel.

    Args:
        title: what it is.
        folder: of the build.
        overlay: PYNQ's, loaded.
        simulated: it is the simulated device.
        closing: called by `close`.
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
        self._dma = getattr(overlay, str(folder.facts.get("dma", "dma")))
        self._input: Any = None
        self._output: Any = None
        registers = Registers(register_bus(overlay, str(folder.facts.get("ip", "accel"))))
        super().__init__(title, registers, folder.layout, self._dma.buffer_max_size, simulated, closing)

    def move(self, data: bytes, room: int, loading: bool) -> None:
        """See `BusMachine`."""
        import pynq

        self._input = pynq.allocate((len(data),), "u1", target=self._overlay.device)
        self._input[:] = np.frombuffer(data, np.uint8)
        if not loading:
            # A run without any result sends one byte that means nothing.
            self._output = pynq.allocate((max(1, room),), "u1", target=self._overlay.device)
            self._dma.recvchannel.transfer(self._output)
        self._dma.sendchannel.transfer(self._input)

    def at_rest(self) -> bool:
        """See `BusMachine`.

        Raises:
            DeviceError: the DMA reports an error.
        """
        used = [self._dma.sendchannel] + ([] if self._output is None else [self._dma.recvchannel])
        for channel in used:
            if channel.error:
                raise DeviceError(
                    "DMA", "it reports an error", hint="reset the device; is the bitstream that of this folder?"
                )
        return all(channel.idle for channel in used)

    def results(self) -> bytes:
        """See `BusMachine`."""
        self._dma.sendchannel.wait()
        self._dma.recvchannel.wait()
        assert self._output is not None
        return bytes(self._output[: self._dma.recvchannel.transferred])

    def release(self) -> None:
        """See `BusMachine`."""
        self._input = self._output = None

    def halt(self) -> None:
        """See `BusMachine`.

        Raises:
            DeviceError: the DMA does not come out of its reset.
        """
        self._dma.mmio.write(0, RESET)
        until = time.monotonic() + RESET_SECONDS
        while self._dma.mmio.read(0) & RESET:
            if time.monotonic() > until:
                raise DeviceError("DMA", "it does not come out of its reset", hint="load the bitstream again")
        self._dma.sendchannel.start()
        self._dma.recvchannel.start()
