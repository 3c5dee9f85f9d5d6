# SPDX-License-Identifier: Apache-2.0
"""Zynq: the design beside an AXI DMA in a Vivado block design; a `.bit` and the `.hwh` that PYNQ reads."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gatewright import boards
from gatewright.bitstream import Built, Job, _block_design, _tcl, _vendor
from gatewright.errors import BoardError, ToolError
from gatewright.shell import c_header, markdown
from gatewright.shell.bus import DmaDesign

NAME = "vivado"
TOOLS = ("vivado",)


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
    uses = _vendor.resources(job, design)
    files = write(job, settings, design)
    missing = _vendor.absent(TOOLS)
    if missing:
        return _vendor.unfinished(job, NAME, files, uses, next_steps(job, missing))
    seconds = _vendor.run(job, [STEP])
    files |= collect(job) | {"logs": job.folder / "logs"}
    return Built(
        NAME,
        job.board,
        files,
        _vendor.utilisation(job, job.folder / "utilization.rpt"),
        _vendor.timing(job.folder / "timing.rpt", job.board.clock_mhz),
        seconds,
        design.kernel,
    )


STEP = _vendor.Step("vivado", ("vivado", "-mode", "batch", "-nojournal", "-nolog", "-source", "build.tcl"))


def write(job: Job, settings: Settings, design: DmaDesign) -> dict[str, Path]:
    """Write the project and check it; files by what they are."""
    folder = job.folder
    shutil.rmtree(folder / "rtl", ignore_errors=True)
    (folder / "rtl").mkdir(parents=True)
    for name, text in design.files.items():
        (folder / "rtl" / name).write_text(text)
    board = job.board
    text = _block_design.script(design, board.part, settings.board_part, board.family, board.clock_mhz, "gatewright")
    script = folder / "build.tcl"
    script.write_text(text)
    (folder / "build.sh").write_text(build_script())
    (folder / "build.sh").chmod(0o755)
    (folder / "gatewright_registers.h").write_text(c_header.text())
    (folder / "registers.md").write_text(markdown.text())
    (folder / "weights.bin").write_bytes(design.layout.weights(design.network.memory.astype(np.uint32)))
    facts = {"ip": "accel", "dma": "dma", "build_id": design.build_id, "shell": "dma", **asdict(design.layout)}
    (folder / "host.json").write_text(json.dumps(facts, indent=1))
    _tcl.check(script)
    _block_design.check(text, design)
    return {"project": folder, "script": script, "host": folder / "host.json"}


def build_script() -> str:
    """The same call for a machine that has Vivado but not this package."""
    system = _block_design.SYSTEM
    lines = [
        "#!/bin/sh",
        "# Usage: ./build.sh; needs Vivado on the PATH.",
        "set -eu",
        'cd "$(dirname "$0")"',
        "mkdir -p logs",
        f"{' '.join(STEP.command)} > logs/vivado.log 2>&1 || {{ tail -n 40 logs/vivado.log; exit 1; }}",
        f'cp "$(find project -name {system}_wrapper.bit)" gatewright.bit',
        f'cp "$(find project -name {system}.hwh | head -n 1)" gatewright.hwh',
    ]
    return "\n".join([*lines, ""])


def collect(job: Job) -> dict[str, Path]:
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
    return kept


def next_steps(job: Job, missing: list[str]) -> list[str]:
    """Three lines: what is missing, where the project lies, how to go on."""
    return [
        f"not on the PATH: {', '.join(missing)} (AMD Vivado, with the board's files)",
        f"complete and checked, but not yet seen by this tool: {job.folder}",
        f"go on there with ./build.sh, or here with: gatewright build --board {job.board.name}",
    ]
