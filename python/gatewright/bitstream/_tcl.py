# SPDX-License-Identifier: Apache-2.0
"""Scripts for a vendor tool, run under plain Tcl with recording commands; `tcl/recorder.tcl` says what that proves."""

from __future__ import annotations

import shutil
from pathlib import Path

from gatewright.errors import ToolError
from gatewright.sim import toolchain

FOLDER = Path(__file__).with_name("tcl")
TIMEOUT = 60
"""Seconds that a script may take without its tool."""


def check(script: Path, commands: str = "vivado") -> list[str]:
    """Run `script` in its folder with the commands of `tcl/<commands>.tcl`; returns what it called, in order.

    Raises:
        ToolError: tclsh is missing, or the script has an unknown command or option, or names a file that is not there.
    """
    tclsh = shutil.which("tclsh")
    if tclsh is None:
        raise ToolError("tclsh", "not installed", hint="install Tcl, with which scripts for vendor tools are checked")
    command = [tclsh, str(FOLDER / "recorder.tcl"), str(FOLDER / f"{commands}.tcl"), script.name]
    said = toolchain.run(command, script.parent, script.name, TIMEOUT)
    return [line.removeprefix("RECORDED ") for line in said.splitlines() if line.startswith("RECORDED ")]
