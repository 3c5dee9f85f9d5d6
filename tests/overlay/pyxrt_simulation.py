# SPDX-License-Identifier: Apache-2.0
"""A stand-in for `pyxrt` whose card is the Verilated kernel of a build folder.

It has the names of XRT's own binding and its rules as far as our code meets them: buffers are copies until they are
synchronized, arguments are in the order of kernel.xml, integers have 32 bits with a sign.
"""

from __future__ import annotations

import json
import types
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.shell.driver import Registers
from gatewright.shell.registers import arguments
from gatewright.sim import shell

PAGE = 4096


def module(readable: bool) -> Any:
    """The module; `readable`: its kernels let registers be read."""
    found = types.ModuleType("pyxrt")
    states = {name: f"state {name}" for name in ("COMPLETED", "SUBMITTED", *FAILED)}
    state = types.SimpleNamespace(**{f"ERT_CMD_STATE_{k}": v for k, v in states.items()})
    ways = types.SimpleNamespace(XCL_BO_SYNC_BO_TO_DEVICE="to", XCL_BO_SYNC_BO_FROM_DEVICE="from")
    kernel = type("kernel", (Readable if readable else Kernel,), {"state": state})
    kernel.cu_access_mode = types.SimpleNamespace(exclusive="exclusive")  # type: ignore[attr-defined]
    found.__dict__.update(device=Device, kernel=kernel, bo=Buffer, ert_cmd_state=state, xclBOSyncDirection=ways)
    found.__dict__.update(enumerate_devices=lambda: 1)
    return found


FAILED = ("ERROR", "ABORT", "TIMEOUT", "NORESPONSE", "SKERROR", "SKCRASHED")


class Device:
    """A card; a file of the xclbin's folder says what the kernel is."""

    def __init__(self, index: int) -> None:
        if index:
            raise RuntimeError(f"no such device with index '{index}'")
        self.next = PAGE

    def load_xclbin(self, path: str) -> str:
        folder = Path(path).parent
        host = json.loads((folder / "host.json").read_text())
        files = {p.name: p.read_text() for p in (folder / "rtl").iterdir()}
        library = shell.build(host["kernel"], host["shell"], host["width"], host["sources"], files)
        self.kernel = shell.Kernel(library)
        return "uuid"


class Buffer:
    """A buffer object: host memory, and the device's."""

    flags = types.SimpleNamespace(normal="normal")

    def __init__(self, device: Device, size: int, flags: str, group: int) -> None:
        assert size > 0 and flags == "normal" and group == 1
        self.host, self.stored = np.zeros(size, np.uint8), np.zeros(-(-size // PAGE) * PAGE, np.uint8)
        self.address = device.next
        device.next += len(self.stored)
        device.kernel.map(self.address, self.stored)

    def write(self, data: Any, seek: int) -> None:
        self.host[seek : seek + data.nbytes] = data

    def read(self, size: int, skip: int) -> Any:
        return self.host[skip : skip + size].view(np.int8)

    def sync(self, way: str, size: int, offset: int) -> None:
        source, target = (self.host, self.stored) if way == "to" else (self.stored, self.host)
        target[offset : offset + size] = source[offset : offset + size]


class Kernel:
    """A kernel with its control registers."""

    state: Any

    def __init__(self, device: Device, uuid: str, name: str, mode: str) -> None:
        assert uuid == "uuid" and mode == "exclusive"
        self.device, self.driver = device, Registers(device.kernel)

    def group_id(self, argument: int) -> int:
        assert argument in (0, 1, 2)
        return 1

    def __call__(self, *values: Any) -> Run:
        for register, value in zip(arguments(), values, strict=True):
            assert isinstance(value, Buffer) or -(1 << 31) <= value < 1 << 31
            self.driver.write(register.name, value.address if isinstance(value, Buffer) else value)
        self.driver.write("control.start", 1)
        return Run(self)


class Readable(Kernel):
    """One whose registers can be read."""

    def read_register(self, offset: int) -> int:
        return self.device.kernel.read(offset)

    def write_register(self, offset: int, value: int) -> None:
        self.device.kernel.write(offset, value)


class Run:
    """One call of a kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel

    def state(self) -> Any:
        self.kernel.device.kernel.run(100)
        over = self.kernel.driver.read("control.idle")
        states = self.kernel.state
        return states.ERT_CMD_STATE_COMPLETED if over else states.ERT_CMD_STATE_SUBMITTED
