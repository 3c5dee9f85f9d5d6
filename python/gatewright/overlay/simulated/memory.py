# SPDX-License-Identifier: Apache-2.0
"""Device memory behind PYNQ's buffers: a copy of its own, so that a forgotten flush shows on a laptop, too."""

from __future__ import annotations

import ctypes
import weakref
from typing import Any

import numpy as np
import numpy.typing as npt
from pynq.buffer import PynqBuffer

from gatewright.sim.shell import Kernel

BASE = 0x1000_0000
PAGE = 4096


class Memory:
    """What a `pynq.Device` calls its memory.

    Buffers lie on pages of their own, and no address is given twice: access to a buffer that is gone finds nothing.

    Args:
        kernel: that reads and writes it.
        device: the buffers' device.
    """

    def __init__(self, kernel: Kernel, device: Any) -> None:
        self._kernel, self._device = kernel, device
        self._next = BASE
        self._stored: dict[int, npt.NDArray[np.uint8]] = {}

    @property
    def used(self) -> int:
        """Bytes of all buffers that live, in whole pages."""
        return sum(s.nbytes for s in self._stored.values())

    def allocate(self, shape: Any, dtype: Any, **_: Any) -> PynqBuffer:
        """A buffer; its memory is given back when nothing refers to it any more."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        address, pages = self._next, -(-max(size, 1) // PAGE) * PAGE
        self._next += pages
        self._stored[address] = np.zeros(pages, np.uint8)
        self._kernel.map(address, self._stored[address])
        host = np.zeros(pages, np.uint8)
        weakref.finalize(host, self._free, address)
        return PynqBuffer(
            shape, dtype, buffer=host, bo=address, device=self._device, device_address=address, coherent=False
        )

    def flush(self, bo: int, offset: int, address: int, size: int) -> None:
        """Copy host memory at `address` to the device."""
        ctypes.memmove(self._stored[bo][offset : offset + size].ctypes.data, address, size)

    def invalidate(self, bo: int, offset: int, address: int, size: int) -> None:
        """Copy device memory to the host."""
        ctypes.memmove(address, self._stored[bo][offset : offset + size].ctypes.data, size)

    def _free(self, address: int) -> None:
        self._kernel.unmap(address)
        del self._stored[address]
