# SPDX-License-Identifier: Apache-2.0
"""Text of the files that make a Vitis RTL kernel of a design, and their checks.

The packaging commands are those of AMD UG1118 and of the scripts that Vivado's RTL kernel wizard writes (UG1393).
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Sequence
from xml.etree import ElementTree

from gatewright.errors import ToolError
from gatewright.shell.bus import CONTROL, MemoryDesign
from gatewright.shell.registers import MAP, Access, Group, Register, arguments

_ACCESS = {Access.RW: "read-write", Access.RO: "read-only", Access.CONSTANT: "read-only", Access.POP: "read-only"}
_ACCESS |= {Access.START: "read-write", Access.PULSE: "write-only", Access.CLEAR_ON_READ: "read-only"}
_ACCESS |= {Access.STICKY: "read-write"}


def package_script(design: MemoryDesign, part: str, rtl: str = "rtl") -> str:
    """Tcl that packages the sources of folder `rtl` as an IP, and the IP as `<kernel>.xo`."""
    name = design.kernel
    files = [f"{rtl}/{n}" for n in sorted(design.files)]
    lines = [
        "# Written by gatewright; run with: vivado -mode batch -source package_kernel.tcl",
        f"create_project -force kernel_pack packed/project -part {part}",
        "add_files -norecurse {" + " ".join(files) + "}",
        f"set_property top {name} [current_fileset]",
        "update_compile_order -fileset sources_1",
        "ipx::package_project -root_dir packed/ip -vendor gatewright -library kernel -taxonomy /KernelIP "
        "-import_files -set_current false",
        "ipx::unload_core packed/ip/component.xml",
        f"ipx::edit_ip_in_project -upgrade true -name {name}_edit -directory packed/ip packed/ip/component.xml",
        "set core [ipx::current_core]",
        "set_property core_revision 1 $core",
        "foreach parameter [ipx::get_user_parameters -of_objects $core] {",
        "  ipx::remove_user_parameter [get_property NAME $parameter] $core",
        "}",
        *(f"ipx::associate_bus_interfaces -busif {bus} -clock ap_clk $core" for bus in (CONTROL, *design.interfaces)),
        f"set map [ipx::add_memory_map -quiet {CONTROL} $core]",
        "set block [ipx::add_address_block -quiet reg0 $map]",
        *(line for register in kernel_registers() for line in _register(register)),
        f"set_property slave_memory_map_ref {CONTROL} [ipx::get_bus_interfaces {CONTROL} -of_objects $core]",
        "set_property xpm_libraries {XPM_CDC XPM_MEMORY XPM_FIFO} $core",
        "set_property sdx_kernel true $core",
        "set_property sdx_kernel_type rtl $core",
        "set_property ipi_drc {ignore_freq_hz true} $core",
        "set_property vitis_drc {ctrl_protocol ap_ctrl_hs} $core",
        "set_property supported_families {} $core",
        "set_property auto_family_support_level level_2 $core",
        "ipx::create_xgui_files $core",
        "ipx::update_checksums $core",
        "ipx::check_integrity -kernel $core",
        "ipx::save_core $core",
        "close_project -delete",
        f"package_xo -force -xo_path {name}.xo -kernel_name {name} -ip_directory packed/ip -kernel_xml kernel.xml "
        "-ctrl_protocol ap_ctrl_hs",
    ]
    return "\n".join([*lines, ""])


def kernel_registers() -> tuple[Register, ...]:
    """Registers of a shell beside memory."""
    return tuple(r for r in MAP if r.group is not Group.LINK)


def _register(register: Register) -> list[str]:
    """Commands that describe a register of the control bus."""
    name = register.name.upper()
    lines = [
        f"set register [ipx::add_register -quiet {name} $block]",
        f"set_property address_offset 0x{register.offset:03x} $register",
        f"set_property size {register.bits} $register",
    ]
    for field in register.fields:
        lines += [
            f"set field [ipx::add_field -quiet {(field.name or register.name).upper()} $register]",
            f"set_property ACCESS {_ACCESS[field.access]} $field",
            f"set_property BIT_OFFSET {field.low} $field",
            f"set_property BIT_WIDTH {field.bits} $field",
        ]
    if register.bus:
        lines += [
            "set parameter [ipx::add_register_parameter -quiet ASSOCIATED_BUSIF $register]",
            f"set_property value m_axi_{register.bus} $parameter",
        ]
    return lines


def link_config(design: MemoryDesign, platform: str, memory: str, slr: str, clock_mhz: float) -> str:
    """Configuration of `v++ --link`."""
    name = design.kernel
    return "\n".join(
        [
            f"platform={platform}",
            "save-temps=1",
            f"kernel_frequency={clock_mhz:g}",
            "[connectivity]",
            f"nk={name}:1:{name}_1",
            *(f"sp={name}_1.{bus}:{memory}" for bus in design.interfaces),
            *([f"slr={name}_1:{slr}"] if slr else []),
            "[vivado]",
            "prop=run.impl_1.STRATEGY=Performance_Explore",
            "",
        ]
    )


def check_xml(text: str, design: MemoryDesign) -> None:
    """Raise ToolError unless a kernel.xml says what the design has: its ports, and its arguments' registers."""
    root = ElementTree.fromstring(text.encode())
    kernel = root.find("kernel")
    ports = {p.get("name"): p for p in root.iter("port")}
    expected = {CONTROL, *design.interfaces}
    if kernel is None or kernel.get("name") != design.kernel or set(ports) != expected:
        raise ToolError(
            "kernel.xml", f"kernel or ports {sorted(map(str, ports))}", f"{design.kernel}, {sorted(expected)}"
        )
    if any(int(str(ports[bus].get("dataWidth"))) != design.width for bus in design.interfaces):
        raise ToolError("kernel.xml", "a bus of another width than the shell's", f"{design.width} bits")
    taken: set[int] = set()
    for arg, register in zip(root.iter("arg"), arguments(), strict=True):
        offset, size = int(str(arg.get("offset")), 16), int(str(arg.get("size")), 16)
        places = set(range(offset, offset + size))
        bus = f"m_axi_{register.bus}" if register.bus else CONTROL
        if (offset, 8 * size, arg.get("port")) != (register.offset, register.bits, bus) or offset % 4 or places & taken:
            raise ToolError(
                "kernel.xml", f"argument {arg.get('name')} at {offset:#x}", f"{register.offset:#x} on {bus}"
            )
        taken |= places


def check_config(text: str, design: MemoryDesign) -> None:
    """Raise ToolError unless a link configuration names the kernel, its ports and a platform."""
    parser = configparser.ConfigParser(strict=False, delimiters=("=",))
    pairs: list[tuple[str, str, str]] = []
    section = ""
    parser.read_string("[top]\n" + text)
    for line in text.splitlines():
        if head := re.fullmatch(r"\[(\w+)\]", line):
            section = head[1]
        elif line:
            key, _, value = line.partition("=")
            pairs.append((section, key, value))
    named = {key: value for section, key, value in pairs if not section}
    if not named.get("platform") or float(named.get("kernel_frequency", 0)) <= 0:
        raise ToolError("link.cfg", f"{named}", "a platform and a kernel_frequency")
    ports = _ports([value for s, key, value in pairs if (s, key) == ("connectivity", "sp")])
    expected = [f"{design.kernel}_1.{bus}" for bus in design.interfaces]
    if sorted(ports) != sorted(expected):
        raise ToolError("link.cfg", f"memory for {sorted(ports)}", f"{sorted(expected)}")


def _ports(values: Sequence[str]) -> list[str]:
    found = []
    for value in values:
        port, colon, memory = value.partition(":")
        if not colon or not re.fullmatch(r"(DDR|HBM|PLRAM|HOST)\[\d+(:\d+)?\]", memory):
            raise ToolError("link.cfg", f"sp={value}", "sp=<kernel>_1.<port>:DDR[n], HBM[n], PLRAM[n] or HOST[n]")
        found.append(port)
    return found
