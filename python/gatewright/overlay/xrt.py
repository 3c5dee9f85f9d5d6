# SPDX-License-Identifier: Apache-2.0
"""A design on an Alveo card, through `pyxrt`: PYNQ 4.0 does not look for these cards any more.

The kernel is called with its arguments in the order of kernel.xml, as `bitstream/host/host.cpp` does. XRT's own `pyxrt`
cannot read registers of a kernel (its source says so); a binding with `kernel.read_register` is used
where there is one. Without it error flags and counters are out of sight, and a known answer stands in for the build id.
No card has seen this code: the tests run it on a stand-in for `pyxrt` that drives the Verilated kernel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewright.errors import DataError, DeviceError, MissingExtraError
from gatewright.overlay.bus import PATIENCE, PAUSE
from gatewright.overlay.folder import Folder
from gatewright.overlay.machine import check
from gatewright.shell.driver import Registers
from gatewright.shell.layout import Words

MOST = (1 << 31) - 1
"""Bytes that an argument of pyxrt can say: its integers have a sign."""
INPUT, OUTPUT, WEIGHTS = range(3)
"""Arguments of the kernel that are buffers."""
FAILED = ("ERROR", "ABORT", "TIMEOUT", "NORESPONSE", "SKERROR", "SKCRASHED")
"""States of a run that will not become better; `ERT_CMD_STATE_` stands before them."""


def pyxrt() -> Any:
    """The module.

    Raises:
        MissingExtraError: it is not there.
    """
    try:
        import pyxrt as found
    except ImportError as error:
        hint = 'install XRT and run `source /opt/xilinx/xrt/setup.sh`, or take device="sim"'
        raise MissingExtraError(
            "pyxrt", f"cannot be imported ({error}); it comes with XRT, not from pip", hint=hint
        ) from error
    return found


class _Bus:
    """Registers of a kernel, for `Registers`."""

    def __init__(self, kernel: Any) -> None:
        self._kernel = kernel

    def read(self, offset: int) -> int:
        return int(self._kernel.read_register(offset))

    def write(self, offset: int, value: int) -> None:
        self._kernel.write_register(offset, value)


class XrtMachine:
    """A kernel of an xclbin.

    Args:
        folder: of the build.
        index: of the card.

    Raises:
        DataError: the folder has no xclbin.
        MissingExtraError: pyxrt is not there.
        DeviceError: the card cannot be opened.
    """

    def __init__(self, folder: Folder, index: int = 0) -> None:
        self._xrt = pyxrt()
        self._layout = folder.layout
        name = str(folder.fact("kernel"))
        path = folder.path / f"{name}.xclbin"
        if not path.is_file():
            raise DataError(
                str(path), "does not exist", "what Vitis makes", "run build.sh in the folder, where Vitis is"
            )
        self.title, self.most, self.patience, self.pause = f"Alveo card {index}", MOST, PATIENCE, PAUSE
        self._path, self._name, self._index = path, name, index
        self._open()

    def _open(self) -> None:
        xrt = self._xrt
        try:
            self._device = xrt.device(self._index)
            uuid = self._device.load_xclbin(str(self._path))
            # Registers can be read only by who has the kernel for himself.
            self._kernel = xrt.kernel(self._device, uuid, self._name, xrt.kernel.cu_access_mode.exclusive)
        except RuntimeError as error:
            raise DeviceError(self.title, f"cannot be opened: {error}", hint="see `xbutil examine`") from error
        readable = hasattr(self._kernel, "read_register")
        self.registers = Registers(_Bus(self._kernel)) if readable else None
        self._run: Any = None
        self._buffers: list[Any] = []
        self._tokens: Sequence[int] = ()

    def begin_load(self, words: Words) -> None:
        """See `Machine`."""
        self._tokens = ()
        data = self._layout.weights(words)
        self._begin([b"", b"", data], [0, 0, len(data)], 0, 1)

    def begin(self, sequences: Sequence[Words], tokens: Sequence[int]) -> None:
        """See `Machine`."""
        self._tokens = tokens
        data, room = self._layout.pack(sequences), self._layout.output_bytes(tokens)
        self._begin([data, bytes(room), b""], [len(data), room, 0], len(sequences), 0)

    def _begin(self, contents: list[bytes], sizes: list[int], sequences: int, mode: int) -> None:
        self._buffers = [self._buffer(i, data) for i, data in enumerate(contents)]
        self._run = self._kernel(*self._buffers, *sizes, sequences, mode)

    def _buffer(self, argument: int, data: bytes) -> Any:
        # A buffer cannot be empty.
        size = max(1, len(data))
        found = self._xrt.bo(self._device, size, self._xrt.bo.flags.normal, self._kernel.group_id(argument))
        found.write(np.frombuffer(data.ljust(size, b"\0"), np.uint8), 0)
        found.sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE, size, 0)
        return found

    def ended(self) -> bool:
        """See `Machine`.

        Raises:
            DeviceError: XRT calls the run failed.
        """
        state, states = self._run.state(), self._xrt.ert_cmd_state
        for name in FAILED:
            if state == getattr(states, f"ERT_CMD_STATE_{name}"):
                raise DeviceError(self.title, f"XRT calls the run {name}", hint="reset(), and see `dmesg`")
        return bool(state == states.ERT_CMD_STATE_COMPLETED)

    def collect(self) -> list[Words]:
        """See `Machine`.

        Raises:
            DeviceError: an error flag is set, where those can be read.
        """
        if self.registers is not None:
            check(self.registers, "run" if self._tokens else "weights")
        if not self._tokens:
            return []
        size = self._layout.output_bytes(self._tokens)
        self._buffers[OUTPUT].sync(self._xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE, size, 0)
        return self._layout.unpack(self._buffers[OUTPUT].read(size, 0).tobytes(), self._tokens)

    def reset(self) -> None:
        """See `Machine`: the xclbin is loaded again."""
        self.close()
        self._open()

    def close(self) -> None:
        """See `Machine`; XRT gives back what nothing refers to."""
        self._run, self._buffers, self._kernel, self._device = None, [], None, None
