# SPDX-License-Identifier: Apache-2.0
"""A `pynq.Device` whose bitstream is a Verilated kernel: overlays, MMIO, buffers and drivers work as on a board."""

from __future__ import annotations

from typing import Any

from pynq.pl_server.device import Device
from pynq.pl_server.hwh_parser import _HWHUltrascale, get_hwh_name

from gatewright.errors import DeviceError
from gatewright.overlay.simulated.dma import Dma
from gatewright.overlay.simulated.hwh import DESIGN_BASE, DMA_BASE, RANGE
from gatewright.overlay.simulated.memory import Memory
from gatewright.shell.registers import ADDRESS_BITS
from gatewright.sim.shell import Kernel

LATENCY = 100
"""Cycles that pass before an access to registers: about what it takes to reach them from a processor."""
WORD = 4


class SimulatedDevice(Device):
    """One board with one kernel.

    It is not found by probing; `gatewright.overlay.simulated.load` makes one, and passes it on.

    Args:
        kernel: the Verilated design.
        shell: "dma" or "memory".
    """

    capabilities = {"REGISTER_RW": True}
    name = "gatewright_simulation"
    timestamp = ""
    bitfile_name = ""

    def __init__(self, kernel: Kernel, shell: str) -> None:
        super().__init__(f"gatewright-{id(kernel):x}")
        self.kernel = kernel
        self.default_memory = Memory(kernel, self)
        self._dma = Dma(kernel) if shell == "dma" else None

    def read_registers(self, address: int, length: int) -> bytes:
        """Words of the control bus, each by a transaction of its own.

        Raises:
            DeviceError: nothing lies there.
        """
        words = []
        for at in range(address, address + length, WORD):
            self.kernel.run(LATENCY)
            slave, offset = self._slave(at)
            words.append(slave.read(offset).to_bytes(WORD, "little"))
        return b"".join(words)

    def write_registers(self, address: int, data: bytes) -> None:
        """Write words; errors as in `read_registers`."""
        for i in range(0, len(data), WORD):
            self.kernel.run(LATENCY)
            slave, offset = self._slave(address + i)
            slave.write(offset, int.from_bytes(bytes(data[i : i + WORD]), "little"))

    def _slave(self, address: int) -> tuple[Kernel | Dma, int]:
        if DESIGN_BASE <= address < DESIGN_BASE + RANGE:
            offset = address - DESIGN_BASE
            # The hardware has no more address bits than registers; there the map would repeat.
            if offset >> ADDRESS_BITS:
                raise DeviceError(
                    f"register {offset:#x}", "lies behind the last one", f"0 to {(1 << ADDRESS_BITS) - WORD:#x}"
                )
            return self.kernel, offset
        if self._dma is not None and DMA_BASE <= address < DMA_BASE + RANGE:
            return self._dma, address - DMA_BASE
        raise DeviceError(f"address {address:#x}", "nothing lies there", "the design, or the DMA")

    def get_memory(self, description: Any) -> Memory:
        """The one memory, whatever a design calls it."""
        return self.default_memory

    def get_memory_by_name(self, name: str) -> Memory:
        """See `get_memory`."""
        return self.default_memory

    def flush(self, bo: int, offset: int, address: int, size: int) -> None:
        """Called by buffers: host to device."""
        self.default_memory.flush(bo, offset, address, size)

    def invalidate(self, bo: int, offset: int, address: int, size: int) -> None:
        """Called by buffers: device to host."""
        self.default_memory.invalidate(bo, offset, address, size)

    def get_bitfile_metadata(self, name: str, partial: bool = False) -> Any:
        """What PYNQ's own parser reads in the description beside the bitstream."""
        parser = _HWHUltrascale(get_hwh_name(name))
        # There is no processing system whose clocks could be set, and nobody looks at the graph.
        parser.clock_dict = {}
        parser.systemgraph = None
        return parser

    def download(self, bitstream: Any, parser: Any = None) -> None:
        """The kernel is there already; PYNQ wants to know since when."""
        self.post_download(bitstream, parser)

    def gen_cache(self, bitstream: Any, parser: Any = None) -> None:
        """PYNQ's cache of descriptions is for boards."""

    def close(self) -> None:
        """Free the kernel."""
        self.kernel.close()
