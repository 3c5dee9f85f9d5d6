# SPDX-License-Identifier: Apache-2.0
"""AMD's boards by another way: the network as C++ through hls4ml, which Vitis HLS makes an IP of."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

from gatewright.bitstream import Built, Clock, Job, Use, _tcl, _vendor
from gatewright.errors import BoardError, ToolError
from gatewright.graph import Cost
from gatewright.lower.hls.builder import program
from gatewright.lower.hls.project import project
from gatewright.schedule import all_nodes

NAME = "hls"
FAMILIES = ("xcup", "xc7")
OPTIONS = ("reset", "synth", "export")
"""Steps of the project's script that are taken, of those in `STEPS`."""
STEPS = ("reset", "csim", "synth", "cosim", "validation", "export", "vsynth", "fifo_opt")
CALLS = (("vitis-run", "--mode", "hls", "--tcl", "build_prj.tcl"), ("vitis_hls", "-f", "build_prj.tcl"))
"""Of Vitis from 2024.1 on, and of those before."""
_CELLS = {
    "LUT": ("lut", 1.0),
    "FF": ("ff", 1.0),
    "DSP": ("dsp", 1.0),
    "BRAM_18K": ("bram36", 0.5),
    "URAM": ("uram288", 1.0),
}


def build(job: Job) -> Built:
    """An IP, or without Vitis HLS the complete project, checked.

    Raises:
        BoardError: the board's device is not AMD's.
        BudgetError: the design does not fit; nothing was written.
        MissingExtraError: the extra `hls` is not installed.
        NotExpressibleError: an operator has no kernel.
        ToolError: a check or the tool failed.
    """
    if job.board.family not in FAMILIES:
        raise BoardError(f"board {job.board.name}", f"family = {job.board.family!r}", ", ".join(FAMILIES))
    uses = _estimate(job)
    folder = job.folder / "hls"
    script = write(job, folder)
    _tcl.check(script, "vitis_hls")
    files = {"project": folder, "script": script}
    call = next((c for c in CALLS if shutil.which(c[0])), None)
    if call is None:
        tools, on = [c[0] for c in CALLS], f"with: {' '.join(CALLS[0])}"
        lines = _vendor.next_steps(tools, "AMD Vitis HLS", "this tool", folder, on)
        return _vendor.unfinished(job, NAME, files, (uses, "cost model of the RTL, folded alike"), lines)
    seconds = _vendor.run(job, [_vendor.Step("hls", ("env", "-C", str(folder), *call))])
    amounts, clock = report(job, folder)
    return Built(NAME, job.board, files | {"logs": job.folder / "logs"}, amounts, (clock,), seconds)


def write(job: Job, folder: Path) -> Path:
    """Write the project; returns its script."""
    if job.graph is None:
        raise ToolError("hls", "the job has no graph", "a job made by Design.build")
    made = project(
        program(job.graph, job.foldings),
        folder,
        part=job.board.part,
        clock_period=round(1000 / job.board.clock_mhz, 3),
    )
    made.write()
    lines = [f"    {name} {int(name in OPTIONS)}" for name in STEPS]
    (folder / "build_opt.tcl").write_text("\n".join(["array set opt {", *lines, "}", ""]))
    return folder / "build_prj.tcl"


def _estimate(job: Job) -> tuple[Use, ...]:
    total = Cost()
    for name, (graph, node) in all_nodes(job.graph) if job.graph is not None else ():
        if name in job.foldings:
            total += node.op.cost(job.foldings[name], *graph.input_types(node))
    have = job.board.budget.amounts()
    return tuple(Use(k, _vendor.UNITS[k], round(getattr(total, k)), n) for k, n in have.items() if n)


def report(job: Job, folder: Path) -> tuple[tuple[Use, ...], Clock]:
    """Resources and clock of the synthesis report.

    Raises:
        ToolError: there is none.
    """
    found = sorted(folder.rglob("csynth.xml"))
    if not found:
        raise ToolError("vitis hls", "it left no csynth.xml", hint=f"read {job.folder / 'logs' / 'hls.log'}")
    root, have = ElementTree.parse(found[0]), job.board.budget.amounts()
    area = root.find("AreaEstimates/Resources")
    period = root.findtext("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod")
    if area is None or not re.fullmatch(r"[\d.]+", period or ""):
        raise ToolError(str(found[0]), "it has no estimates", "the report of csynth_design")
    uses = [
        Use(name, cell, factor * float(area.findtext(cell) or 0), have[name])
        for cell, (name, factor) in _CELLS.items()
        if have[name]
    ]
    return tuple(uses), Clock("estimated", 1000 / float(str(period)), job.board.clock_mhz)
