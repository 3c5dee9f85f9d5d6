# SPDX-License-Identifier: Apache-2.0
"""The register map as a C header: offsets, masks and shifts."""

from __future__ import annotations

from gatewright.shell.registers import MAP, signal


def text() -> str:
    """The header."""
    lines = [
        "/* Written by gatewright from its register map; do not edit. */",
        "#ifndef GATEWRIGHT_REGISTERS_H",
        "#define GATEWRIGHT_REGISTERS_H",
    ]
    for register in MAP:
        lines += ["", f"/* {register.note} */", f"#define GW_{register.name.upper()} 0x{register.offset:02x}u"]
        if register.words > 1:
            lines.append(f"#define GW_{register.name.upper()}_HIGH 0x{register.offset + 4:02x}u")
        for field in (f for f in register.fields if f.name):
            name = f"GW_{signal(register, field).upper()}"
            mask = ((1 << field.bits) - 1) << field.low
            lines.append(f"#define {name}_SHIFT {field.low}")
            lines.append(f"#define {name}_MASK 0x{mask:08x}u /* {field.note}; {field.access.value} */")
    return "\n".join([*lines, "", "#endif", ""])
