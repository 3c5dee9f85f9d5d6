# SPDX-License-Identifier: Apache-2.0
"""Tcl of a Vivado block design: processing system, AXI DMA, the design. Commands are those of AMD UG835 and UG994."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gatewright.errors import ToolError
from gatewright.shell.bus import CONTROL, DmaDesign


@dataclass(frozen=True)
class Processor:
    """What a block design needs to know of a processing system (AMD PG201, PG082).

    Attributes:
        ip: name of the IP.
        control, memory: its master for registers, its slave for the DMA.
        clock, reset: what it gives to the logic.
        clocks: clocks of its ports.
        frequency: property with the clock's frequency in MHz.
        properties: others that are set.
    """

    ip: str
    control: str
    memory: str
    clock: str
    reset: str
    clocks: tuple[str, ...]
    frequency: str
    properties: tuple[tuple[str, str], ...]


PROCESSORS = {
    "xcup": Processor(
        "zynq_ultra_ps_e",
        "M_AXI_HPM0_FPD",
        "S_AXI_HP0_FPD",
        "pl_clk0",
        "pl_resetn0",
        ("maxihpm0_fpd_aclk", "saxihp0_fpd_aclk"),
        "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ",
        (
            ("PSU__USE__M_AXI_GP0", "1"),
            ("PSU__USE__M_AXI_GP1", "0"),
            ("PSU__USE__M_AXI_GP2", "0"),
            ("PSU__USE__S_AXI_GP2", "1"),
        ),
    ),
    "xc7": Processor(
        "processing_system7",
        "M_AXI_GP0",
        "S_AXI_HP0",
        "FCLK_CLK0",
        "FCLK_RESET0_N",
        ("M_AXI_GP0_ACLK", "S_AXI_HP0_ACLK"),
        "PCW_FPGA0_PERIPHERAL_FREQMHZ",
        (("PCW_USE_M_AXI_GP0", "1"), ("PCW_USE_S_AXI_HP0", "1")),
    ),
}
"""By the family of the board's device."""

SYSTEM = "system"
"""Name of the block design."""
LENGTH_BITS = 26
"""Of the DMA's length register, its most: packets of up to 64 MiB."""


def script(design: DmaDesign, part: str, board_part: str, family: str, clock_mhz: float, name: str) -> str:
    """Tcl from sources in `rtl` to a bitstream and its reports."""
    ps = PROCESSORS[family]
    files = " ".join(f"rtl/{n}" for n in sorted(design.files))
    lines = [
        "# Written by gatewright; run with: vivado -mode batch -source build.tcl",
        f"create_project -force {name} project -part {part}",
        f"if {{![llength [get_board_parts -quiet {board_part}]]}} {{",
        f'  error "board_part {board_part} is not installed: get it from the board store of Vivado"',
        "}",
        f"set_property board_part {board_part} [current_project]",
        f"add_files -norecurse {{{files}}}",
        "update_compile_order -fileset sources_1",
        f"create_bd_design {SYSTEM}",
        *_cells(design, ps, clock_mhz),
        *_wires(ps),
        "assign_bd_address",
        "validate_bd_design",
        "save_bd_design",
        f"set bd [get_files project/{name}.srcs/sources_1/bd/{SYSTEM}/{SYSTEM}.bd]",
        "make_wrapper -files $bd -top -import",
        f"set_property top {SYSTEM}_wrapper [current_fileset]",
        "update_compile_order -fileset sources_1",
        "launch_runs impl_1 -to_step write_bitstream -jobs 4",
        "wait_on_runs impl_1",
        "open_run impl_1",
        "report_utilization -file utilization.rpt",
        "report_timing_summary -file timing.rpt",
        "close_project",
    ]
    return "\n".join([*lines, ""])


def _cells(design: DmaDesign, ps: Processor, clock_mhz: float) -> list[str]:
    width = str(design.width)
    settings = (*ps.properties, (ps.frequency, f"{clock_mhz:g}"))
    dma = (
        ("c_include_sg", "0"),
        ("c_sg_length_width", str(LENGTH_BITS)),
        ("c_include_mm2s_dre", "1"),
        ("c_include_s2mm_dre", "1"),
        ("c_m_axi_mm2s_data_width", width),
        ("c_m_axis_mm2s_tdata_width", width),
        ("c_m_axi_s2mm_data_width", width),
    )
    return [
        *_ip("ps", ps.ip, ()),
        f'apply_bd_automation -rule xilinx.com:bd_rule:{ps.ip} -config {{apply_board_preset "1"}} [get_bd_cells ps]',
        _set("ps", settings),
        *_ip("reset", "proc_sys_reset", ()),
        *_ip("dma", "axi_dma", dma),
        *_ip("control", "smartconnect", (("NUM_SI", "1"), ("NUM_MI", "2"))),
        *_ip("memory", "smartconnect", (("NUM_SI", "2"), ("NUM_MI", "1"))),
        f"create_bd_cell -type module -reference {design.kernel} accel",
    ]


def _ip(name: str, ip: str, properties: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f"create_bd_cell -type ip -vlnv xilinx.com:ip:{ip} {name}"]
    return [*lines, _set(name, properties)] if properties else lines


def _set(name: str, properties: Sequence[tuple[str, str]]) -> str:
    pairs = " ".join(f"CONFIG.{k} {{{v}}}" for k, v in properties)
    return f"set_property -dict [list {pairs}] [get_bd_cells {name}]"


def _wires(ps: Processor) -> list[str]:
    buses = (
        (f"ps/{ps.control}", "control/S00_AXI"),
        ("control/M00_AXI", f"accel/{CONTROL}"),
        ("control/M01_AXI", "dma/S_AXI_LITE"),
        ("dma/M_AXIS_MM2S", "accel/s_axis"),
        ("accel/m_axis", "dma/S_AXIS_S2MM"),
        ("dma/M_AXI_MM2S", "memory/S00_AXI"),
        ("dma/M_AXI_S2MM", "memory/S01_AXI"),
        ("memory/M00_AXI", f"ps/{ps.memory}"),
    )
    clocked = [f"ps/{c}" for c in ps.clocks]
    clocked += ["reset/slowest_sync_clk", "control/aclk", "memory/aclk", "accel/aclk"]
    clocked += ["dma/s_axi_lite_aclk", "dma/m_axi_mm2s_aclk", "dma/m_axi_s2mm_aclk"]
    resets = ("control/aresetn", "memory/aresetn", "accel/aresetn", "dma/axi_resetn")
    return [
        *(f"connect_bd_intf_net [get_bd_intf_pins {a}] [get_bd_intf_pins {b}]" for a, b in buses),
        _net(f"ps/{ps.clock}", clocked),
        _net(f"ps/{ps.reset}", ["reset/ext_reset_in"]),
        _net("reset/peripheral_aresetn", resets),
    ]


def _net(source: str, sinks: Sequence[str]) -> str:
    return "connect_bd_net " + " ".join(f"[get_bd_pins {p}]" for p in (source, *sinks))


def check(text: str, design: DmaDesign) -> None:
    """Raise ToolError unless every port of the design is wired, and none that it does not have."""
    buses = {CONTROL, *design.interfaces}
    found = set(re.findall(r"get_bd_intf_pins accel/(\w+)", text))
    pins = set(re.findall(r"get_bd_pins accel/(\w+)", text))
    if found != buses or pins != {design.CLOCK, design.RESET}:
        allowed = ", ".join(sorted(buses | {design.CLOCK, design.RESET}))
        raise ToolError("build.tcl", f"connects {', '.join(sorted(found | pins))} of the design", allowed)
