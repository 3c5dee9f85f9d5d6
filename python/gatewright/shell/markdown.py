# SPDX-License-Identifier: Apache-2.0
"""The register map as a page of documentation."""

from __future__ import annotations

from gatewright.shell.registers import MAP, VERSION, Group

_SHELLS = {
    Group.ALWAYS: "all",
    Group.MEMORY: "with memory",
    Group.DIRECT: "with memory or streams",
    Group.LINK: "with a link",
}


def text() -> str:
    """The page."""
    lines = [
        f"# Registers (map version {VERSION})",
        "",
        "Written by gatewright from `gatewright.shell.registers`. Words of 32 bits, byte addresses; a register of 64",
        "bits is two words, low word first, and reading the low word keeps the high one for the next read.",
        "",
        "| offset | register | bits | field | access | meaning | shells |",
        "|---|---|---|---|---|---|---|",
    ]
    for register in MAP:
        for index, field in enumerate(register.fields):
            top = field.low + field.bits - 1
            bits = f"{top}:{field.low}" if field.bits > 1 else f"{field.low}"
            offset, name, shells = ("", "", "")
            if index == 0:
                offset, name, shells = f"0x{register.offset:02x}", f"`{register.name}`", _SHELLS[register.group]
            note = field.note if field.name else register.note.rstrip(".")
            if field.name and index == 0:
                note = f"{register.note} {note}"
            lines.append(f"| {offset} | {name} | {bits} | {field.name} | {field.access.value} | {note} | {shells} |")
    return "\n".join([*lines, ""])
