# SPDX-License-Identifier: Apache-2.0
"""Cologne Chip GateMate: Yosys, nextpnr-himbaechel, gmpack of Project Peppercorn."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.bitstream import Built, Job, _open
from gatewright.synth.flows import GATEMATE

NAME = "gatemate"

_WHEEL = "import sys, yowasp_nextpnr_himbaechel_gatemate as t; sys.exit(t.{}(sys.argv[1:]))"


def _place(settings: _open.Settings, clock_mhz: float) -> Sequence[str]:
    files = ["--vopt", f"ccf={settings.constraints}", "--vopt", "out=top.txt"]
    return [*files, "--router", "router2", "--freq", f"{clock_mhz:g}"]


def _pack(settings: _open.Settings) -> Sequence[tuple[str, str, Sequence[str]]]:
    return [("gmpack", _WHEEL.format("run_gmpack"), ["top.txt", "top.bit"])]


TOOL = _open.Tool(
    name=NAME,
    wheel="yowasp-nextpnr-himbaechel-gatemate",
    synth=lambda top: f"synth_gatemate -luttree -nomx8 -top {top}",
    rules=GATEMATE,
    place=_place,
    runner=_WHEEL.format("run_nextpnr_himbaechel_gatemate"),
    pack=_pack,
    result="top.bit",
    cells={
        "CPE_LT": ("lut", 1),
        "CPE_FF": ("ff", 1),
        "RAM": ("bram", 1),
    },
)


def build(job: Job) -> Built:
    """A `.bit` for the board."""
    return _open.run(TOOL, job)
