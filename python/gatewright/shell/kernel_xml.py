# SPDX-License-Identifier: Apache-2.0
"""The register map as `kernel.xml` of a Vitis RTL kernel: ports, and the arguments that XRT writes.

Format: AMD UG1393, "RTL Kernels"; the attributes are those of the files that Vivado's packager writes.
"""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from gatewright.shell.registers import WORD, Register, arguments

CONTROL = "s_axi_control"
CONTROL_RANGE = 0x1000
"""Of addresses: a page, the least that AMD's interconnect maps."""
DATA_BITS = 512
"""Bits of a memory port."""


def text(name: str = "gatewright", data_bits: int = DATA_BITS) -> str:
    """The file.

    Args:
        name: of the kernel.
        data_bits: of its memory ports.
    """
    root = Element("root", versionMajor="1", versionMinor="6")
    kernel = SubElement(
        root,
        "kernel",
        name=name,
        language="ip",
        vlnv=f"gatewright:kernel:{name}:1.0",
        attributes="",
        preferredWorkGroupSizeMultiple="0",
        workGroupSize="1",
        interrupt="true",
        hwControlProtocol="ap_ctrl_hs",
    )
    ports = SubElement(kernel, "ports")
    for bus in dict.fromkeys(r.bus for r in arguments() if r.bus):
        _port(ports, f"m_axi_{bus}", "master", (1 << 64) - 1, data_bits)
    _port(ports, CONTROL, "slave", CONTROL_RANGE, WORD)
    listed = SubElement(kernel, "args")
    for index, register in enumerate(arguments()):
        _argument(listed, index, register)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _port(ports: Element, name: str, mode: str, last: int, bits: int) -> None:
    SubElement(
        ports,
        "port",
        name=name,
        mode=mode,
        range=f"0x{last:X}",
        dataWidth=str(bits),
        portType="addressable",
        base="0x0",
    )


def _argument(listed: Element, index: int, register: Register) -> None:
    """A pointer to memory is addressQualifier 1, a scalar 0."""
    size = register.bits // 8
    pointer = bool(register.bus)
    SubElement(
        listed,
        "arg",
        name=register.name,
        addressQualifier="1" if pointer else "0",
        id=str(index),
        port=f"m_axi_{register.bus}" if pointer else CONTROL,
        size=f"0x{size:X}",
        offset=f"0x{register.offset:X}",
        hostOffset="0x0",
        hostSize=f"0x{size:X}",
        type="void*" if pointer else "uint",
    )
