# SPDX-License-Identifier: Apache-2.0
"""A build folder on the simulated device: its own sources Verilated, and a `pynq.Overlay` on top."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pynq

from gatewright.errors import DataError
from gatewright.overlay.folder import Folder
from gatewright.overlay.simulated import hwh
from gatewright.overlay.simulated.device import SimulatedDevice
from gatewright.sim import shell

BITSTREAM = "gatewright.bit"


def load(folder: Folder, seed: int = 1) -> tuple[Any, SimulatedDevice]:
    """PYNQ's overlay of the folder, and the device that it lies on.

    Args:
        folder: of a design with the shell "dma" or "memory".
        seed: of registers without reset.

    Raises:
        DataError: the folder has no sources.
        ToolError: Verilator is not installed, or fails.
    """
    kernel, width = str(folder.fact("kernel")), int(folder.fact("width"))
    sources = [str(name) for name in folder.fact("sources")]
    rtl = folder.path / "rtl"
    files = {p.name: p.read_text() for p in sorted(rtl.glob("*"))} if rtl.is_dir() else {}
    if missing := [name for name in sources if name not in files]:
        raise DataError(str(rtl), f"{missing[0]} is missing", "the sources that the build wrote", "build again")
    device = SimulatedDevice(shell.Kernel(shell.build(kernel, folder.shell, width, sources, files), seed), folder.shell)
    with tempfile.TemporaryDirectory() as name:
        # PYNQ looks for both files, and reads the second one.
        path = Path(name) / BITSTREAM
        path.write_text(f"simulated: {kernel} {folder.build_id:016x}\n")
        path.with_suffix(".hwh").write_text(hwh.text(kernel, folder.shell, width))
        return pynq.Overlay(str(path), device=device), device
