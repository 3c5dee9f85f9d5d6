# SPDX-License-Identifier: Apache-2.0
"""A build for the simulated device: what a host needs, and the sources to simulate, in a second, without a tool.

`gatewright.Overlay(folder, device="sim")` runs it. Nothing is synthesized, so resources are those of the cost model
only; the board's own flow makes a bitstream of the same sources.
"""

from __future__ import annotations

from gatewright import boards
from gatewright.bitstream import Built, Job, _open, _vendor, vitis, vivado
from gatewright.errors import BoardError
from gatewright.shell.bus import BusDesign, DmaDesign, MemoryDesign
from gatewright.shell.wrap import uart

NAME = "sim"


def build(job: Job) -> Built:
    """What the simulated board loads.

    Raises:
        BoardError: the board's settings are wrong, or it has no shell.
    """
    if job.board.flow.get("shell") == "uart":
        settings = _open.checked_settings(job)
        design = uart(job.network, job.board.clock_mhz, settings.baud)
        return Built(NAME, job.board, {"host": _open.describe(job, settings, design)}, top=design.name)
    kernel = bus(job)
    files = _vendor.project(job, kernel, "", {}, {})
    return Built(NAME, job.board, {k: files[k] for k in ("project", "host")}, top=kernel.kernel)


def bus(job: Job) -> BusDesign:
    """The design in the shell that the own flow of an AMD board would build."""
    place, tool = f"{job.board.folder / 'board.toml'}, flow", job.board.flow.get("tool")
    if tool == vivado.NAME:
        zynq: vivado.Settings = boards.checked(place, vivado.Settings, job.board.flow)
        return DmaDesign(job.network, zynq.width)
    if tool == vitis.NAME:
        alveo: vitis.Settings = boards.checked(place, vitis.Settings, job.board.flow)
        return MemoryDesign(job.network, alveo.width)
    raise BoardError(place, f"tool = {tool!r}", f"{vivado.NAME}, {vitis.NAME}, or a UART shell")
