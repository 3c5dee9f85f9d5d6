# SPDX-License-Identifier: Apache-2.0
"""What the flows of AMD's tools share: run a tool, read its reports, explain its errors; or say how to go on."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatewright.bitstream import Built, Clock, Job, Use, refuse
from gatewright.errors import ToolError
from gatewright.graph import Cost
from gatewright.schedule import all_nodes
from gatewright.shell.bus import BusDesign
from gatewright.shell.inner import guard_parameters
from gatewright.synth import yosys
from gatewright.synth.report import Part, measure, part

TIMEOUT = 24 * 3600
"""Seconds that a step of a vendor's tool may take."""
SMALL = 50_000
"""LUTs by the cost model up to which Yosys counts every operator; more would take hours."""
UNITS = {"lut": "CLB LUTs", "ff": "CLB registers", "dsp": "DSP", "bram36": "block RAM tiles", "uram288": "URAM"}

EXPLAINED = (
    (r"(?i)license|\[Common 17-345\]", "the vendor's licence does not cover this part", "check it with `vlm`"),
    (r"(?i)board_part|\[Board 49-71\]", "the vendor's board files are missing", "install them from its board store"),
    (r"(?i)platform.*(not found|does not exist|invalid)", "the platform is not installed", "set PLATFORM_REPO_PATHS"),
    (
        r"(?i)Place 30-|over-?utili[sz]ed|exceeds the available",
        "the design does not fit",
        "fold more: a higher --target",
    ),
    (r"(?i)timing.*(not met|violat)", "the clock is too fast for this design", "lower clock_mhz in board.toml"),
    (r"(?i)out of memory|bad_alloc|killed", "the tool ran out of memory", "64 GB are usual for these devices"),
)
"""Words in a log, what they mean, and the next step."""


@dataclass(frozen=True)
class Step:
    """A call of a tool.

    Attributes:
        name: of the step; its log is `logs/<name>.log`.
        command: program and arguments.
    """

    name: str
    command: tuple[str, ...]


def absent(tools: Sequence[str]) -> list[str]:
    """Those tools that are not on the PATH."""
    return [t for t in tools if shutil.which(t) is None]


def run(job: Job, steps: Sequence[Step]) -> dict[str, float]:
    """Run every step in the job's folder; returns seconds by step.

    Raises:
        ToolError: a step failed, with what its log says and means.
    """
    logs = job.folder / "logs"
    logs.mkdir(exist_ok=True)
    seconds = {}
    for step in steps:
        start = time.monotonic()
        path = logs / f"{step.name}.log"
        with yosys.progress(f"{job.board.name}, {step.name}"), path.open("w") as log:
            try:
                code = subprocess.run(
                    step.command, cwd=job.folder, stdout=log, stderr=subprocess.STDOUT, timeout=TIMEOUT, check=False
                ).returncode
            except subprocess.TimeoutExpired:
                raise ToolError(step.name, f"{step.command[0]} ran longer than {TIMEOUT:.0f} s") from None
        if code:
            raise explained(step, code, path)
        seconds[step.name] = time.monotonic() - start
    return seconds


def explained(step: Step, code: int, log: Path) -> ToolError:
    """The error of a step: the first error lines of its log, and what they mean if that is known."""
    said = log.read_text(errors="replace")
    lines = [x.strip() for x in said.splitlines() if re.search(r"\bERROR\b|CRITICAL WARNING", x)][:5]
    problem = f"{step.command[0]} failed with exit code {code}" + "".join(f"\n    {x}" for x in lines)
    for words, meaning, hint in EXPLAINED:
        if re.search(words, said):
            return ToolError(step.name, f"{problem}\n  that is: {meaning}", hint=f"{hint}; the log is {log}")
    return ToolError(step.name, problem, hint=f"the log is {log}")


def resources(job: Job, design: BusDesign) -> tuple[tuple[Use, ...], str]:
    """Amounts of network and shell beside the board's, and where they come from; refused if they do not fit.

    Raises:
        BudgetError: they do not fit.
    """
    frame = [Part("shell", design.SHELL, {k: int(v) for k, v in design.parameters().items() if k != "BuildId"})]
    if not job.network.tagged:
        frame.append(Part("guard", "sequence_guard", guard_parameters(design.source)))
    parts, estimate = [], Cost()
    for name, (graph, node) in all_nodes(job.graph) if job.graph is not None else ():
        if name in job.network.instances:
            cost = node.op.cost(job.foldings[name], *graph.input_types(node))
            estimate += cost
            parts.append(part(name, job.network.instances[name], cost))
    have = job.board.budget.amounts()
    predicted = {k: float(getattr(estimate, k)) for k in have}
    refuse(job.board, predicted, "cost model of the network")
    counted = bool(parts) and estimate.lut <= SMALL
    report = measure([*frame, *(parts if counted else ())], job.board)
    amounts = report.total.amounts()
    if not counted:
        amounts = {k: amounts[k] + v for k, v in predicted.items()}
    source = "Yosys, operator by operator" if counted else "cost model of the network, Yosys for the shell"
    refuse(job.board, amounts, source)
    return tuple(Use(k, UNITS[k], round(amounts[k]), have[k]) for k in have if have[k]), source


_ROW = re.compile(r"^\|\s*([A-Za-z][\w /]*?)\*?\s*\|\s*([\d.]+)\s*\|")
_ROWS = {
    "CLB LUTs": "lut", "Slice LUTs": "lut", "CLB Registers": "ff", "Slice Registers": "ff", "DSPs": "dsp",
    "Block RAM Tile": "bram36", "URAM": "uram288",
}  # fmt: skip


def utilisation(job: Job, report: Path) -> tuple[Use, ...]:
    """Resources of a `report_utilization` file.

    Raises:
        ToolError: it has no such rows.
    """
    have = job.board.budget.amounts()
    found: dict[str, Use] = {}
    for line in report.read_text(errors="replace").splitlines() if report.is_file() else ():
        row = _ROW.match(line)
        if row and row[1] in _ROWS:
            found.setdefault(_ROWS[row[1]], Use(_ROWS[row[1]], row[1], float(row[2]), have[_ROWS[row[1]]]))
    if not found:
        raise ToolError(str(report), "it is no utilisation report", "a table of report_utilization")
    return tuple(found.values())


def timing(report: Path, clock_mhz: float) -> tuple[Clock, ...]:
    """The clock that a `report_timing_summary` file allows: 1 / (period - worst slack).

    Raises:
        ToolError: it has no worst slack.
    """
    text = report.read_text(errors="replace") if report.is_file() else ""
    found = re.search(r"WNS\(ns\).*\n[\s-]+\n\s*(-?[\d.]+)", text)
    if found is None:
        raise ToolError(str(report), "it is no timing report", "a table of report_timing_summary")
    return (Clock("kernel", 1000 / (1000 / clock_mhz - float(found[1])), clock_mhz),)


def unfinished(
    job: Job, name: str, files: Mapping[str, Path], use: tuple[tuple[Use, ...], str], lines: Sequence[str]
) -> Built:
    """What is there without the vendor's tool: project, resources, and three lines on how to go on."""
    return Built(f"{name} ({use[1]})", job.board, files, use[0], missing="\n".join(lines))
