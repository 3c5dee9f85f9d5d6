# SPDX-License-Identifier: Apache-2.0
"""What the flows of AMD's tools share: the project, a tool's calls, reports and errors; or how to go on without it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from gatewright.bitstream import Built, Clock, Job, Use, refuse
from gatewright.errors import ToolError
from gatewright.graph import Cost
from gatewright.schedule import all_nodes
from gatewright.shell import c_header, markdown
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


@dataclass(frozen=True)
class Flow:
    """A flow that writes a project first.

    Attributes:
        name: of the flow.
        tools: programs that it calls.
        product: what they come with, for a user who lacks them.
    """

    name: str
    tools: tuple[str, ...]
    product: str


@dataclass(frozen=True)
class Results:
    """What a tool left.

    Attributes:
        utilisation, timing: its reports.
        files: more of it, by what they are.
    """

    utilisation: Path
    timing: Path
    files: Mapping[str, Path] = field(default_factory=dict)


def build(
    flow: Flow,
    job: Job,
    design: BusDesign,
    write: Callable[[], Mapping[str, Path]],
    steps: Sequence[Step],
    collect: Callable[[], Results],
) -> Built:
    """Refuse, write, and call the tools or say how to go on.

    Args:
        write: makes the project, checks it, and returns its files.
        steps: calls of the tools.
        collect: finds what they left.

    Raises:
        BudgetError: the design does not fit; nothing was written.
        ToolError: a check or a tool failed.
    """
    uses = resources(job, design)
    files = write()
    missing = absent(flow.tools)
    if missing:
        seen = "this tool" if len(flow.tools) == 1 else "these tools"
        on = f"with ./build.sh, or here with: gatewright build --board {job.board.name}"
        return unfinished(job, flow.name, files, uses, next_steps(missing, flow.product, seen, job.folder, on))
    seconds = run(job, steps)
    found = collect()
    return Built(
        flow.name,
        job.board,
        {**files, **found.files, "logs": job.folder / "logs"},
        utilisation(job, found.utilisation),
        timing(found.timing, job.board.clock_mhz),
        seconds,
        design.kernel,
    )


def project(
    job: Job, design: BusDesign, script: str, texts: Mapping[str, str], facts: Mapping[str, str]
) -> dict[str, Path]:
    """Write the sources, the texts, and what a host needs; returns files by what they are.

    Args:
        script: the one of the texts that the tool reads.
        texts: files of this flow by name; `.sh` are executable.
        facts: what a host must know besides the design's layout.
    """
    folder = job.folder
    shutil.rmtree(folder / "rtl", ignore_errors=True)
    (folder / "rtl").mkdir(parents=True)
    shared = {"gatewright_registers.h": c_header.text(), "registers.md": markdown.text()}
    board = {"board": job.board.title, "clock_mhz": job.board.clock_mhz}
    rtl = {"kernel": design.kernel, "width": design.width, "sources": design.sources, **board}
    known = {**facts, **rtl, "build_id": design.build_id, "shell": design.SUFFIX, **asdict(design.layout)}
    shared["host.json"] = json.dumps(known, indent=1)
    for name, text in {**{f"rtl/{k}": t for k, t in design.files.items()}, **texts, **shared}.items():
        (folder / name).write_text(text)
        if name.endswith(".sh"):
            (folder / name).chmod(0o755)
    (folder / "weights.bin").write_bytes(design.layout.weights(design.network.memory.astype(np.uint32)))
    return {"project": folder, "script": folder / script, "host": folder / "host.json"}


def shell_script(usage: str, lines: Sequence[str]) -> str:
    """A script that makes the calls on a machine without this package."""
    head = ["#!/bin/sh", f"# Usage: ./build.sh{usage}", "set -eu", 'cd "$(dirname "$0")"', "mkdir -p logs"]
    return "\n".join([*head, *lines, ""])


def logged(name: str, call: str) -> str:
    """A line of such a script: a step with its log, of which the end is shown if it fails."""
    return f"{call} > logs/{name}.log 2>&1 || {{ tail -n 40 logs/{name}.log; exit 1; }}"


def next_steps(missing: Sequence[str], product: str, seen: str, folder: Path, on: str) -> list[str]:
    """Three lines: what is missing, where the project lies, how to go on there."""
    return [
        f"not on the PATH: {', '.join(missing)} ({product})",
        f"complete and checked, but not yet seen by {seen}: {folder}",
        f"go on there {on}",
    ]


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
