# SPDX-License-Identifier: Apache-2.0
"""Alveo: the design as a Vitis RTL kernel, packaged by Vivado and linked by v++ to the card's platform."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from gatewright import boards
from gatewright.bitstream import Built, Job, _kernel, _tcl, _vendor
from gatewright.shell import kernel_xml
from gatewright.shell.bus import MemoryDesign

NAME = "vitis"
FLOW = _vendor.Flow(NAME, ("vivado", "v++"), "AMD Vitis; for running, XRT too")
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
    return _vendor.build(
        FLOW,
        job,
        design,
        lambda: write(job, settings, design),
        steps(settings, design),
        lambda: collect(job, design),
    )


def write(job: Job, settings: Settings, design: MemoryDesign) -> dict[str, Path]:
    """Write the project and check it; files by what they are."""
    xml = kernel_xml.text(design.kernel, design.width)
    link = _kernel.link_config(design, settings.platform, settings.memory, settings.slr, job.board.clock_mhz)
    texts = {
        "package_kernel.tcl": _kernel.package_script(design, job.board.part),
        "kernel.xml": xml,
        "link.cfg": link,
        "xrt.ini": "[Emulation]\ndebug_mode=batch\n[Debug]\nopencl_trace=false\n",
        "build.sh": build_script(settings, design),
        "host.cpp": HOST.read_text(),
    }
    files = _vendor.project(job, design, "package_kernel.tcl", texts, {"kernel": design.kernel})
    _tcl.check(files["script"])
    _kernel.check_xml(xml, design)
    _kernel.check_config(link, design)
    return files


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
    lines = ['target="${1:-hw}"']
    for step in steps(settings, design, "hw_emu"):
        call = " ".join(step.command).replace("hw_emu", '"$target"')
        if step.name == "emulation":
            lines.append(f'if [ "$target" = hw_emu ]; then {call}; fi')
        elif step.name != "host":
            lines.append(_vendor.logged(step.name, call))
    lines.append(f'if [ -n "${{XILINX_XRT:-}}" ]; then {HOST_COMMAND}; fi')
    return _vendor.shell_script(" [hw | hw_emu]; needs Vitis and XRT on the PATH.", lines)


def collect(job: Job, design: MemoryDesign) -> _vendor.Results:
    """The linked kernel, and the linker's reports."""
    report = job.folder / "reports"
    return _vendor.Results(
        _newest(job.folder, "*utilization*placed*.rpt", report),
        _newest(job.folder, "*timing_summary*routed*.rpt", report),
        {"bitstream": job.folder / f"{design.kernel}.xclbin"},
    )


def _newest(folder: Path, pattern: str, fallback: Path) -> Path:
    """The newest report of that name that the linker left below `folder`."""
    found = sorted(folder.rglob(pattern), key=lambda p: p.stat().st_mtime)
    return found[-1] if found else fallback / pattern
