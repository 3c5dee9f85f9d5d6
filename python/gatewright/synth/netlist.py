# SPDX-License-Identifier: Apache-2.0
"""A mapped netlist back to plain Verilog: every cell becomes what its simulation model says, so that it can be run.

Models are those that Yosys ships; for hard blocks that it has without a body, ours in `models/`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from gatewright.errors import ToolError
from gatewright.synth import yosys

MODELS = Path(__file__).parent / "models"
SHIPPED = {
    "ecp5": ("+/ecp5/cells_sim.v",),
    "gowin": ("+/gowin/cells_sim.v",),
    "gatemate": ("+/gatemate/cells_sim.v",),
    "ice40": ("+/ice40/cells_sim.v",),
}
"""Simulation models of Yosys by device family."""
RESULT = "plain.v"


def plain(netlist: Path, top: str, family: str, folder: Path) -> Path:
    """Verilog without cells that does what a netlist does; returns the file, in `folder`.

    Args:
        netlist: JSON of Yosys.
        top: its top module.
        family: of the device.

    Raises:
        ToolError: the family has no models, or a cell of the netlist has none.
    """
    if family not in SHIPPED:
        raise ToolError("netlist", f"no simulation models for family {family!r}", ", ".join(SHIPPED))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(netlist, folder / "netlist.json")
    files = list(SHIPPED[family])
    own = MODELS / f"{family}.v"
    if own.is_file():
        shutil.copyfile(own, folder / own.name)
        files.append(own.name)
    # A mapped netlist also holds the empty modules of its cells; later definitions win: ours replace those of Yosys.
    script = ["read_json netlist.json", "delete =A:blackbox"]
    script += [f"read_verilog -sv -overwrite {name}" for name in files]
    script += [f"hierarchy -check -top {top}", "proc", "flatten"]
    # What a model leaves open is some value in hardware; ones, because zero would switch a memory's port off.
    script += ["setundef -one", "opt_expr", "opt_clean -purge"]
    # What is left must be Yosys' own cells; one of the device would be a hole.
    script += [f"select -assert-none {top}/t:* {top}/t:$* %d {top}/t:$paramod* %u", f"write_verilog -noattr {RESULT}"]
    (folder / "run.ys").write_text("\n".join(script) + "\n")
    yosys.run_script(top, folder)
    return folder / RESULT
