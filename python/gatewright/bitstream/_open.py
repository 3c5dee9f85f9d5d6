# SPDX-License-Identifier: Apache-2.0
"""What the open flows share: Yosys, a fit check, nextpnr, a packer, each from its wheel; every log stays in `logs/`."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from gatewright import boards
from gatewright.bitstream import Built, Clock, Job, Use, refuse
from gatewright.errors import BoardError, MissingExtraError, ToolError
from gatewright.lower.sources import closure
from gatewright.shell import c_header, markdown
from gatewright.shell.wrap import UartDesign, uart
from gatewright.sim import toolchain
from gatewright.synth import yosys
from gatewright.synth.flows import Rules, count

TOP = "board_top"
"""Module of a board's `board_top.sv`."""
WORK = "work"
"""Folder of the tools inside the build folder; the WebAssembly tools see nothing outside it."""
HOST = "host.json"
"""What a host must know to talk to the device."""
TIMEOUT = 3600
"""Seconds that a tool may take, placement and routing aside."""
LATE = "fold more (a higher --target), try another --seed, allow more [flow] minutes in board.toml, or a larger board"


@dataclass(frozen=True)
class Settings:
    """Table `[flow]` of a board.toml.

    Attributes:
        tool: the flow's name.
        shell: kind of shell; "uart".
        baud: bits per second of the UART.
        device: arguments of nextpnr that name the device.
        constraints: file in the board's folder.
        packer: what the packer calls the device, if it does.
        minutes: that placement and routing may take; a router that has not ended by then seldom does.
    """

    tool: str
    shell: str
    baud: int
    constraints: str
    device: tuple[str, ...]
    packer: str = ""
    minutes: float = 60


@dataclass(frozen=True)
class Tool:
    """An open flow.

    Attributes:
        name: of the flow.
        wheel: distribution that holds nextpnr.
        synth: Yosys command, from the name of the top module.
        rules: what its cells count as.
        place: arguments of nextpnr that read the constraints and write the result, from settings and clock in MHz.
        runner: Python statement that runs nextpnr with `sys.argv[1:]`.
        pack: steps behind nextpnr: name, Python statement and arguments, from settings.
        result: file that the board loads.
        cells: nextpnr's names of a budget's resources, with how many of the budget's units one counts for.
        carry: look-up tables that a carry cell takes.
    """

    name: str
    wheel: str
    synth: Callable[[str], str]
    rules: Rules
    place: Callable[[Settings, float], Sequence[str]]
    runner: str
    pack: Callable[[Settings], Sequence[tuple[str, str, Sequence[str]]]]
    result: str
    cells: Mapping[str, tuple[str, float]]
    carry: float = 1.0


def run(tool: Tool, job: Job) -> Built:
    """Build a bitstream.

    Raises:
        BoardError: the board's settings are wrong.
        BudgetError: the netlist does not fit; nothing was placed.
        MissingExtraError: a wheel is missing.
        ToolError: a tool failed, or the clock is not reached.
    """
    settings = checked_settings(job)
    need(tool.wheel)
    design = uart(job.network, job.board.clock_mhz, settings.baud)
    folder = job.folder / WORK
    seconds: dict[str, float] = {}
    prepare(job, settings, design, folder)
    steps: list[tuple[str, Callable[[], None]]] = [("synthesis", lambda: synthesize(tool, job, design, folder))]
    steps.append(("place and route", lambda: place(tool, job, settings, folder)))
    for name, code, arguments in tool.pack(settings):
        steps.append((name, lambda c=code, a=arguments, n=name: python(c, a, folder, n)))  # type: ignore[misc]
    for name, step in steps:
        start = time.monotonic()
        with yosys.progress(f"{job.board.name}, {name}"):
            step()
        seconds[name] = time.monotonic() - start
    uses, clocks = placed(tool, folder)
    slow = [c for c in clocks if c.reached < c.needed]
    if slow:
        problem = f"{slow[0].name} reaches {slow[0].reached:.1f} of {slow[0].needed:g} MHz"
        raise ToolError(f"{tool.name}, timing", problem, hint="fold more (a higher --target), or try another --seed")
    files = keep(tool, job.folder, folder)
    return Built(tool.name, job.board, files, uses, clocks, seconds, TOP)


def checked_settings(job: Job) -> Settings:
    """The board's `[flow]`, checked.

    Raises:
        BoardError: a key is missing, wrong or unknown, or a file that it names does not exist.
    """
    place = str(job.board.folder / "board.toml")
    settings: Settings = boards.checked(f"{place}, flow", Settings, job.board.flow)
    if settings.shell != "uart":
        raise BoardError(f"{place}, flow", f"shell = {settings.shell!r}", "uart")
    for name in (settings.constraints, "board_top.sv"):
        if not (job.board.folder / name).is_file():
            raise BoardError(f"{place}, flow", f"{name} does not exist", "a file in the board's folder")
    return settings


def need(wheel: str) -> None:
    """Raise MissingExtraError unless a distribution is installed."""
    try:
        importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        raise MissingExtraError(wheel, "not installed", hint="pip install 'gatewright[bitstream]'") from None


def prepare(job: Job, settings: Settings, design: UartDesign, folder: Path) -> None:
    """Write everything that the tools read, and what a host needs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, text in design.files.items():
        (folder / name).write_text(text)
    for path in (*closure(["board_reset"]), job.board.folder / "board_top.sv", job.board.folder / settings.constraints):
        shutil.copyfile(path, folder / path.name)
    describe(job, settings, design)


def describe(job: Job, settings: Settings, design: UartDesign) -> Path:
    """Write what a host needs; returns the file with the numbers."""
    (job.folder / "registers.h").write_text(c_header.text())
    (job.folder / "registers.md").write_text(markdown.text())
    board = {"board": job.board.title, "clock_mhz": job.board.clock_mhz}
    host = asdict(design.streams) | {"baud": settings.baud, "divisor": design.divisor, **board}
    (job.folder / HOST).write_text(json.dumps(host, indent=1) + "\n")
    return job.folder / HOST


def synthesize(tool: Tool, job: Job, design: UartDesign, folder: Path) -> None:
    """Netlist of the whole, refused if it does not fit the board."""
    names = [*design.sources, "board_reset.sv", "board_top.sv"]
    read = f"read_slang -j 1 -I . -D GATEWRIGHT_TOP={design.name} --top {TOP} {' '.join(names)}"
    commands = [read, tool.synth(TOP), "write_json top.json", "tee -q -o stat.json stat -json"]
    (folder / "run.ys").write_text("\n".join(commands) + "\n")
    yosys.run_script(TOP, folder, TIMEOUT)
    fit(tool, job, folder)


def fit(tool: Tool, job: Job, folder: Path) -> None:
    """Refuse a netlist that has more cells than the device."""
    resources, unknown = count(yosys.cell_counts(TOP, folder / "stat.json"), tool.rules)
    if unknown:
        raise ToolError("yosys", f"the netlist has unknown cells {unknown}")
    amounts = resources.amounts() | {"lut": resources.lut + resources.lutram + tool.carry * resources.carry}
    refuse(job.board, amounts, "netlist")


def place(tool: Tool, job: Job, settings: Settings, folder: Path) -> None:
    """Place and route."""
    arguments = [
        *settings.device,
        "--json", "top.json",
        "--report", "report.json",
        "--log", "nextpnr.log",
        "--quiet",
        "--timing-allow-fail",
        "--seed", str(job.seed),
        *tool.place(settings, job.board.clock_mhz),
    ]  # fmt: skip
    python(tool.runner, arguments, folder, "nextpnr", 60 * settings.minutes, LATE)


def python(
    code: str, arguments: Sequence[str], folder: Path, name: str, timeout: float = TIMEOUT, late: str = ""
) -> None:
    """Run a tool of a wheel in a process of its own; what it says goes to `{name}.txt`."""
    command = [sys.executable, "-c", code, *arguments]
    said = toolchain.run(command, folder, name, timeout, dict(os.environ), late)
    (folder / f"{name}.txt").write_text(said)


def placed(tool: Tool, folder: Path) -> tuple[tuple[Use, ...], tuple[Clock, ...]]:
    """Resources and clocks of nextpnr's report."""
    try:
        report = json.loads((folder / "report.json").read_text())
        used = report["utilization"]
        uses = tuple(
            Use(resource, cell, used[cell]["used"], used[cell]["available"])
            for cell, (resource, _) in tool.cells.items()
            if cell in used
        )
        clocks = tuple(
            Clock(_short(name), f["achieved"], round(f["constraint"], 3)) for name, f in sorted(report["fmax"].items())
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ToolError("nextpnr", f"its report cannot be read: {error!r}") from error
    return uses, clocks


def _short(name: str) -> str:
    """A clock net's name without the buffer that drives it."""
    return name.removeprefix("$glbnet$").split("$")[0]


def keep(tool: Tool, folder: Path, work: Path) -> dict[str, Path]:
    """Copy what a user wants out of the tools' folder."""
    result = folder / tool.result
    shutil.copyfile(work / tool.result, result)
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    for path in sorted(work.iterdir()):
        if path.suffix in (".log", ".txt") and path.name != tool.result:
            shutil.copyfile(path, logs / path.name)
    shutil.copyfile(work / "report.json", folder / "report.json")
    found = {"bitstream": result, "netlist": work / "top.json", "report": folder / "report.json", "logs": logs}
    return found | {"host": folder / HOST, "registers": folder / "registers.md"}
