# SPDX-License-Identifier: Apache-2.0
"""Zynq: the design beside an AXI DMA in a Vivado block design; a `.bit` and the `.hwh` that PYNQ reads."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from gatewright import boards
from gatewright.bitstream import Built, Job, _block_design, _tcl, _vendor
from gatewright.errors import BoardError, ToolError
from gatewright.shell.bus import DmaDesign

NAME = "vivado"
FLOW = _vendor.Flow(NAME, ("vivado",), "AMD Vivado, with the board's files")


@dataclass(frozen=True)
class Settings:
    """Table `[flow]` of a board.toml.

    Attributes:
        tool: the flow's name.
        board_part: what Vivado's board files call the board; the processor is set up from them.
        width: bits of the streams and of the DMA.
    """

    tool: str
    board_part: str
    width: int


def build(job: Job) -> Built:
    """A bitstream, or without Vivado the complete project, checked.

    Raises:
        BoardError: the board's settings are wrong.
        BudgetError: the design does not fit; nothing was written.
        ToolError: a check or the tool failed.
    """
    settings: Settings = boards.checked(f"{job.board.folder / 'board.toml'}, flow", Settings, job.board.flow)
    if job.board.family not in _block_design.PROCESSORS:
        raise BoardError(f"board {job.board.name}", f"family = {job.board.family!r}", "xcup, xc7 with a processor")
    design = DmaDesign(job.network, settings.width)
    return _vendor.build(FLOW, job, design, lambda: write(job, settings, design), [STEP], lambda: collect(job))


STEP = _vendor.Step("vivado", ("vivado", "-mode", "batch", "-nojournal", "-nolog", "-source", "build.tcl"))


def write(job: Job, settings: Settings, design: DmaDesign) -> dict[str, Path]:
    """Write the project and check it; files by what they are."""
    board = job.board
    text = _block_design.script(design, board.part, settings.board_part, board.family, board.clock_mhz, "gatewright")
    texts = {"build.tcl": text, "build.sh": build_script()}
    files = _vendor.project(job, design, "build.tcl", texts, {"ip": "accel", "dma": "dma"})
    _tcl.check(files["script"])
    _block_design.check(text, design)
    return files


def build_script() -> str:
    """The same call for a machine that has Vivado but not this package."""
    system = _block_design.SYSTEM
    lines = [
        _vendor.logged("vivado", " ".join(STEP.command)),
        f'cp "$(find project -name {system}_wrapper.bit)" gatewright.bit',
        f'cp "$(find project -name {system}.hwh | head -n 1)" gatewright.hwh',
    ]
    return _vendor.shell_script("; needs Vivado on the PATH.", lines)


def collect(job: Job) -> _vendor.Results:
    """Copy bitstream and hardware description out of Vivado's folders, under one name, as PYNQ wants them."""
    kept = {}
    for what, name, suffix in (
        ("bitstream", f"{_block_design.SYSTEM}_wrapper", "bit"),
        ("hwh", _block_design.SYSTEM, "hwh"),
    ):
        found = sorted((job.folder / "project").rglob(f"{name}.{suffix}"))
        if not found:
            raise ToolError("vivado", f"it left no {name}.{suffix}", hint=f"read {job.folder / 'logs' / 'vivado.log'}")
        kept[what] = job.folder / f"gatewright.{suffix}"
        shutil.copyfile(found[0], kept[what])
    return _vendor.Results(job.folder / "utilization.rpt", job.folder / "timing.rpt", kept)
