# SPDX-License-Identifier: Apache-2.0
"""Alveo: the design as a Vitis RTL kernel, packaged by Vivado and linked by v++ to the card's platform."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from gatewright import boards
from gatewright.bitstream import Built, Job, _kernel, _tcl, _vendor
from gatewright.shell import c_header, kernel_xml, markdown
from gatewright.shell.bus import MemoryDesign

NAME = "vitis"
TOOLS = ("vivado", "v++")
HOST = Path(__file__).with_name("host") / "host.cpp"


@dataclass(frozen=True)
class Settings:
    """Table `[flow]` of a board.toml.

    Attributes:
        tool: the flow's name.
        platform: of Vitis, as `platforminfo` lists it.
        memory: bank that both buses reach, e.g. "DDR[1]".
        width: bits of the buses.
        slr: die of the card that the kernel lies on; the linker chooses if empty.
    """

    tool: str
    platform: str
    memory: str
    width: int
    slr: str = ""


def build(job: Job) -> Built:
    """An xclbin, or without Vitis the complete project, checked.

    Raises:
        BoardError: the board's settings are wrong.
        BudgetError: the design does not fit; nothing was written.
        ToolError: a check or a tool failed.
    """
    settings: Settings = boards.checked(f"{job.board.folder / 'board.toml'}, flow", Settings, job.board.flow)
    design = MemoryDesign(job.network, settings.width)
    uses = _vendor.resources(job, design)
    files = write(job, settings, design)
    missing = _vendor.absent(TOOLS)
    if missing:
        return _vendor.unfinished(job, NAME, files, uses, next_steps(job, missing))
    seconds = _vendor.run(job, steps(settings, design))
    report = job.folder / "reports"
    return Built(
        NAME,
        job.board,
        files | {"bitstream": job.folder / f"{design.kernel}.xclbin", "logs": job.folder / "logs"},
        _vendor.utilisation(job, _newest(job.folder, "*utilization*placed*.rpt", report)),
        _vendor.timing(_newest(job.folder, "*timing_summary*routed*.rpt", report), job.board.clock_mhz),
        seconds,
        design.kernel,
    )


def write(job: Job, settings: Settings, design: MemoryDesign) -> dict[str, Path]:
    """Write the project and check it; files by what they are."""
    folder = job.folder
    shutil.rmtree(folder / "rtl", ignore_errors=True)
    (folder / "rtl").mkdir(parents=True)
    for name, text in design.files.items():
        (folder / "rtl" / name).write_text(text)
    script = folder / "package_kernel.tcl"
    script.write_text(_kernel.package_script(design, job.board.part))
    xml = kernel_xml.text(design.kernel, design.width)
    (folder / "kernel.xml").write_text(xml)
    link = _kernel.link_config(design, settings.platform, settings.memory, settings.slr, job.board.clock_mhz)
    (folder / "link.cfg").write_text(link)
    (folder / "xrt.ini").write_text("[Emulation]\ndebug_mode=batch\n[Debug]\nopencl_trace=false\n")
    (folder / "build.sh").write_text(build_script(settings, design))
    (folder / "build.sh").chmod(0o755)
    (folder / "host.cpp").write_text(HOST.read_text())
    (folder / "gatewright_registers.h").write_text(c_header.text())
    (folder / "registers.md").write_text(markdown.text())
    (folder / "weights.bin").write_bytes(design.layout.weights(design.network.memory.astype(np.uint32)))
    facts = {"kernel": design.kernel, "build_id": design.build_id, "shell": "memory", **asdict(design.layout)}
    (folder / "host.json").write_text(json.dumps(facts, indent=1))
    _tcl.check(script)
    _kernel.check_xml(xml, design)
    _kernel.check_config(link, design)
    return {"project": folder, "script": script, "host": folder / "host.json"}


def steps(settings: Settings, design: MemoryDesign, target: str = "hw") -> list[_vendor.Step]:
    """Calls that make the xclbin for `target`, "hw" or "hw_emu"."""
    name = design.kernel
    found = [
        _vendor.Step("package", ("vivado", "-mode", "batch", "-nojournal", "-nolog", "-source", "package_kernel.tcl")),
        _vendor.Step(
            "link",
            ("v++", "--link", "-t", target, "--config", "link.cfg", "-o", f"{name}.link.xclbin", f"{name}.xo"),
        ),
        _vendor.Step(
            "xclbin",
            (
                "v++", "--package", "-t", target, "--platform", settings.platform, "--package.out_dir", "package",
                "-o", f"{name}.xclbin", f"{name}.link.xclbin",
            ),
        ),
    ]  # fmt: skip
    if target == "hw_emu":
        found.append(_vendor.Step("emulation", ("emconfigutil", "--platform", settings.platform, "--od", ".")))
    if os.environ.get("XILINX_XRT"):
        found.append(_vendor.Step("host", tuple(HOST_COMMAND.replace("$XILINX_XRT", os.environ["XILINX_XRT"]).split())))
    return found


HOST_COMMAND = "g++ -std=c++17 -O2 -I$XILINX_XRT/include -L$XILINX_XRT/lib host.cpp -o host -lxrt_coreutil -pthread"


def build_script(settings: Settings, design: MemoryDesign) -> str:
    """The same calls for a machine that has Vitis but not this package."""
    lines = ["#!/bin/sh", "# Usage: ./build.sh [hw | hw_emu]; needs Vitis and XRT on the PATH.", "set -eu"]
    lines += ['cd "$(dirname "$0")"', 'target="${1:-hw}"', "mkdir -p logs"]
    for step in steps(settings, design, "hw_emu"):
        call = " ".join(step.command).replace("hw_emu", '"$target"')
        if step.name == "emulation":
            lines.append(f'if [ "$target" = hw_emu ]; then {call}; fi')
        elif step.name != "host":
            lines.append(f"{call} > logs/{step.name}.log 2>&1 || {{ tail -n 40 logs/{step.name}.log; exit 1; }}")
    lines.append(f'if [ -n "${{XILINX_XRT:-}}" ]; then {HOST_COMMAND}; fi')
    return "\n".join([*lines, ""])


def next_steps(job: Job, missing: list[str]) -> list[str]:
    """Three lines: what is missing, where the project lies, how to go on."""
    return [
        f"not on the PATH: {', '.join(missing)} (AMD Vitis; for running, XRT too)",
        f"complete and checked, but not yet seen by these tools: {job.folder}",
        f"go on there with ./build.sh, or here with: gatewright build --board {job.board.name}",
    ]


def _newest(folder: Path, pattern: str, fallback: Path) -> Path:
    """The newest report of that name that the linker left below `folder`."""
    found = sorted(folder.rglob(pattern), key=lambda p: p.stat().st_mtime)
    return found[-1] if found else fallback / pattern
