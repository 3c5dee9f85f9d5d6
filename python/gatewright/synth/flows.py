# SPDX-License-Identifier: Apache-2.0
"""How each device family is mapped: a Yosys script, and what the cells of its netlist count as."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

TECHMAP = Path(__file__).parent / "dsp48e2.v"


@dataclass(frozen=True)
class Resources:
    """What a netlist uses; the counting rules are the tables below.

    Attributes:
        lut: look-up tables used as logic, inverters included. Two small ones that a vendor tool would
            put into one site count as two.
        lutram: look-up tables used as memory or shift register.
        ff: flip-flops.
        dsp: multiplier blocks.
        bram36: block memory in units of 36 Kbit.
        uram288: UltraRAM blocks.
        carry: carry cells, of the family's own size.
    """

    lut: float = 0
    lutram: float = 0
    ff: float = 0
    dsp: float = 0
    bram36: float = 0
    uram288: float = 0
    carry: float = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def amounts(self) -> dict[str, float]:
        """Amounts under the names of a board's budget; memory in look-up tables takes look-up tables."""
        return {
            "lut": self.lut + self.lutram,
            "ff": self.ff,
            "dsp": self.dsp,
            "bram36": self.bram36,
            "uram288": self.uram288,
        }


Rules = tuple[tuple[str, str, float], ...]
"""(pattern of the whole cell name, field of Resources or "" for wiring, amount); the first match counts."""

XILINX: Rules = (
    (r"LUT[1-6]|INV|LUT6_2", "lut", 1),
    (r"RAM32M16|RAM64M8", "lutram", 8),
    (r"RAM256X1D", "lutram", 8),
    (r"RAM32M|RAM64M|RAM128X1D|RAM256X1S|RAM512X1S", "lutram", 4),
    (r"RAM32X1D|RAM64X1D|RAM128X1S|RAM32X2S", "lutram", 2),
    (r"RAM(16|32|64)X1S|RAM16X1D|SRL16E?|SRLC16E?|SRLC32E", "lutram", 1),
    (r"FD[RSCP]E(_1)?|LDCE|LDPE", "ff", 1),
    (r"DSP48E[12]|DSP58", "dsp", 1),
    (r"RAMB36E[12]|FIFO36E[12]", "bram36", 1),
    (r"RAMB18E[12]|FIFO18E[12]", "bram36", 0.5),
    (r"URAM288(_BASE)?", "uram288", 1),
    (r"CARRY[48]", "carry", 1),
    # In the fabric beside the tables, so not counted.
    (r"MUXF[789]|BUFG|IBUF|OBUF|GND|VCC", "", 0),
)

ECP5: Rules = (
    (r"LUT4", "lut", 1),
    (r"CCU2C", "carry", 1),
    (r"TRELLIS_DPR16X4", "lutram", 4),
    (r"TRELLIS_FF", "ff", 1),
    (r"MULT18X18D", "dsp", 1),
    (r"DP16KD", "bram36", 0.5),
    (r"PFUMX|L6MUX21|GND|VCC|VLO|VHI|TRELLIS_IO", "", 0),
)

GOWIN: Rules = (
    (r"LUT[1-4]|INV", "lut", 1),
    (r"ALU", "carry", 1),
    (r"RAM16SDP[124]|RAM16SP[124]|RAM16S[124]", "lutram", 4),
    (r"DFF\w*", "ff", 1),
    (r"MULT9X9", "dsp", 0.5),
    (r"MULT18X18|MULTADDALU18X18|MULTALU18X18", "dsp", 1),
    (r"MULT36X36|MULTALU36X18", "dsp", 2),
    (r"SDPB|SDPX9B|DPB|DPX9B|SP|SPX9|pROM|pROMX9", "bram36", 0.5),
    (r"MUX2\w*|GND|VCC|IBUF|OBUF|TBUF|IOBUF|GSR", "", 0),
)


GATEMATE: Rules = (
    (r"CC_LUT[1-4]|CC_L2T[45]|CC_MX[24]", "lut", 1),
    (r"CC_ADDF", "carry", 1),
    (r"CC_DFF|CC_DLT", "ff", 1),
    (r"CC_MULT", "dsp", 1),
    (r"CC_BRAM_20K", "bram36", 20 / 36),
    (r"CC_BRAM_40K|CC_FIFO_40K", "bram36", 40 / 36),
    (r"CC_[IO]BUF|CC_BUFG", "", 0),
)

ICE40: Rules = (
    (r"SB_LUT4", "lut", 1),
    (r"SB_CARRY", "carry", 1),
    (r"SB_DFF\w*", "ff", 1),
    (r"SB_MAC16", "dsp", 1),
    (r"SB_RAM40_4K(N[RW])*", "bram36", 4 / 36),
    (r"SB_GB|SB_IO|SB_GB_IO", "", 0),
)


@dataclass(frozen=True)
class Flow:
    """One way to a netlist.

    Attributes:
        script: from the name of the elaborated top module to Yosys commands.
        rules: what its cells count as.
        files: files that the script reads from its working folder.
    """

    script: Callable[[str], str]
    rules: Rules
    files: tuple[Path, ...] = ()


def _xilinx(family: str) -> Callable[[str], str]:
    return lambda top: f"synth_xilinx -family {family} -flatten -noiopad -noclkbuf -top {top}"


def packed(top: str) -> str:
    """UltraScale+ with registers, adders and accumulators packed into the DSP blocks.

    Yosys packs for 7-series only. The flow stops before its own multiplier mapping, spells each product of
    up to 27 x 18 bits as a DSP48E1, packs as for 7-series, and renames the cells for the count.
    """
    flow = f"synth_xilinx -family xcup -flatten -noiopad -noclkbuf -top {top}"
    limits = {
        "DSP_A_MAXWIDTH": 27, "DSP_B_MAXWIDTH": 18, "DSP_A_MAXWIDTH_PARTIAL": 18, "DSP_A_MINWIDTH": 2,
        "DSP_B_MINWIDTH": 2, "DSP_Y_MINWIDTH": 9, "DSP_SIGNEDONLY": 1, "DSP_NAME": "$__MUL27X18",
    }  # fmt: skip
    defines = " ".join(f"-D {k}={v}" for k, v in limits.items())
    return f"""\
{flow} -run begin:map_dsp
memory_dff
techmap -map +/mul2dsp.v -map {TECHMAP.name} {defines}
select a:mul2dsp
setattr -unset mul2dsp
opt_expr -fine
wreduce
select -clear
xilinx_dsp -family xc7
chtype -set $mul t:$__soft_mul
{flow} -run coarse:edif
chtype -set DSP48E2 t:DSP48E1"""


FLOWS: Mapping[tuple[str, str], Flow] = {
    ("xcup", "packed"): Flow(packed, XILINX, (TECHMAP,)),
    ("xcup", "stock"): Flow(_xilinx("xcup"), XILINX),
    ("xc7", "stock"): Flow(_xilinx("xc7"), XILINX),
    ("ecp5", "stock"): Flow(lambda top: f"synth_ecp5 -top {top}", ECP5),
    ("gowin", "stock"): Flow(lambda top: f"synth_gowin -family gw2a -noiopads -top {top}", GOWIN),
    ("gatemate", "stock"): Flow(lambda top: f"synth_gatemate -luttree -nomx8 -noiopad -noclkbuf -top {top}", GATEMATE),
    ("ice40", "stock"): Flow(lambda top: f"synth_ice40 -dsp -top {top}", ICE40),
}
"""By (family, flow). The stock flow is Yosys' own; `packed` is for what a vendor tool would reach."""


def count(cells: Mapping[str, int], rules: Rules) -> tuple[Resources, dict[str, int]]:
    """Resources of a netlist's cells, and the cells that no rule knows.

    Args:
        cells: cell name to number of cells.
    """
    amounts = dict.fromkeys((f.name for f in fields(Resources)), 0.0)
    unknown: dict[str, int] = {}
    for cell, number in cells.items():
        rule = next((r for r in rules if re.fullmatch(r[0], cell)), None)
        if rule is None:
            unknown[cell] = number
        elif rule[1]:
            amounts[rule[1]] += rule[2] * number
    return Resources(**amounts), unknown
