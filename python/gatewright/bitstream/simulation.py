# SPDX-License-Identifier: Apache-2.0
"""The netlist of a finished build as a device that can be talked to: what the bitstream holds, run in Verilator."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gatewright.bitstream import Built
from gatewright.errors import DataError
from gatewright.shell.accelerator import Streams
from gatewright.sim.uart import SimulatedPort, build
from gatewright.synth.netlist import plain


def streams(folder: Path) -> tuple[Streams, int]:
    """What a host must know of the build in `folder`, and clock cycles per bit of its UART.

    Raises:
        DataError: there is no such build.
    """
    try:
        data = json.loads((folder / "host.json").read_text())
        return Streams(**{k: data[k] for k in Streams.__dataclass_fields__}), int(data["divisor"])
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            str(folder), f"no build for a UART: {error!r}", "a folder that `gatewright build` wrote"
        ) from error


def device(built: Built) -> SimulatedPort:
    """The netlist behind the board's pins, out of reset.

    Raises:
        DataError: the flow left no netlist.
        ToolError: a cell of it has no model.
    """
    if "netlist" not in built.files:
        raise DataError(f"build for {built.board.name}", "it has no netlist", "a flow that maps to cells itself")
    netlist = built.files["netlist"]
    file = plain(netlist, built.top, built.board.family, netlist.parent / "plain")
    text = file.read_text()
    reset = "rst_n" if re.search(r"^\s*input rst_n;", text, re.MULTILINE) else "rst"
    library = build(built.top, {file.name: text}, [file.name], netlist=True, optimise="-O1", reset=reset)
    return SimulatedPort(library, streams(netlist.parent.parent)[1])
