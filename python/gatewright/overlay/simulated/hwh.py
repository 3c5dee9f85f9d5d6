# SPDX-License-Identifier: Apache-2.0
"""The hardware description that PYNQ reads beside a bitstream, for the simulated device.

It says what Vivado's says of the block design of `gatewright.bitstream.vivado`: where the design and the DMA lie, and
how the DMA is configured. Like there the design is a module reference, whose registers PYNQ does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

from gatewright.bitstream._block_design import LENGTH_BITS

ACCEL, DMA, PROCESSOR = "accel", "dma", "ps"
DESIGN_BASE, DMA_BASE = 0xA000_0000, 0xA001_0000
RANGE = 1 << 16
"""Bytes that a slave gets at its base."""
DMA_TYPE = "xilinx.com:ip:axi_dma:7.1"
PROCESSOR_TYPE = "xilinx.com:ip:zynq_ultra_ps_e:3.5"


def text(kernel: str, shell: str, width: int) -> str:
    """The description of a kernel of that shell, "dma" or "memory", whose data buses have `width` bits."""
    slaves = {ACCEL: DESIGN_BASE} | ({DMA: DMA_BASE} if shell == DMA else {})
    ranges = "".join(_range(name, base) for name, base in slaves.items())
    modules = _module(PROCESSOR, PROCESSOR_TYPE, _clocks(), f"<MEMORYMAP>{ranges}</MEMORYMAP>")
    modules += _module(ACCEL, f"xilinx.com:module_ref:{kernel}:1.0", {})
    if DMA in slaves:
        modules += _module(DMA, DMA_TYPE, _dma(width))
    return f'<EDKSYSTEM VERSION="1.2"><EXTERNALPORTS/><MODULES>{modules}</MODULES></EDKSYSTEM>'


def _module(name: str, kind: str, parameters: Mapping[str, object], more: str = "") -> str:
    pairs = "".join(f"<PARAMETER NAME={quoteattr(k)} VALUE={quoteattr(str(v))}/>" for k, v in parameters.items())
    head = f'<MODULE FULLNAME="/{name}" INSTANCE="{name}" MODTYPE="{kind.split(":")[2]}" VLNV="{kind}">'
    return f"{head}<PARAMETERS>{pairs}</PARAMETERS><PORTS/>{more}</MODULE>"


def _range(name: str, base: int) -> str:
    place = f'BASEVALUE="{base:#x}" HIGHVALUE="{base + RANGE - 1:#x}"'
    return f'<MEMRANGE INSTANCE="{name}" {place} MEMTYPE="REGISTER" SLAVEBUSINTERFACE="S_AXI"/>'


def _clocks() -> dict[str, object]:
    """What PYNQ insists on for the four clocks of a processing system."""
    found: dict[str, object] = {}
    for n in range(4):
        found[f"PSU__FPGA_PL{n}_ENABLE"] = int(n == 0)
        found |= {f"PSU__CRL_APB__PL{n}_REF_CTRL__DIVISOR{d}": 1 for d in (0, 1)}
    return found


def _dma(width: int) -> dict[str, object]:
    ways = {"c_include_mm2s": 1, "c_include_s2mm": 1, "c_include_mm2s_dre": 1, "c_include_s2mm_dre": 1}
    sizes = {"c_m_axi_mm2s_data_width": width, "c_m_axi_s2mm_data_width": width}
    return {"c_include_sg": 0, "c_micro_dma": 0, "c_sg_length_width": LENGTH_BITS, **ways, **sizes}
