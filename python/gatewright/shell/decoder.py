# SPDX-License-Identifier: Apache-2.0
"""The register map as SystemVerilog: `rtl/shell/shell_registers.sv` is `text()`, and a test says so."""

from __future__ import annotations

from gatewright.shell.registers import ADDRESS_BITS, IDENTITY, MAP, WORD, Access, Field, Group, Register, fields, signal

NAME = "shell_registers"

_PORTS: dict[Access, tuple[tuple[str, str], ...]] = {
    Access.RW: (("output", ""),),
    Access.RO: (("input", ""),),
    Access.START: (("output", ""), ("input", "_clear")),
    Access.PULSE: (("output", ""),),
    Access.CLEAR_ON_READ: (("input", "_set"),),
    Access.STICKY: (("output", ""), ("input", "_set")),
    Access.POP: (("input", ""),),
    Access.CONSTANT: (),
}
"""Direction and suffix of a field's ports."""


def parameter(register: Register, field: Field) -> str:
    """Name of the parameter behind a constant."""
    return "".join(part.capitalize() for part in signal(register, field).split("_"))


def text() -> str:
    """The module."""
    body = [_state(), _write(), _read()]
    return "\n".join([_HEAD, f"module {NAME} #(", _parameters(), ") (", _ports(), ");", *body, "endmodule", _TAIL])


_HEAD = """\
// SPDX-License-Identifier: Apache-2.0
// Written by gatewright.shell.decoder from gatewright.shell.registers; do not edit.
`default_nettype none

/// The registers between a host and a network: every bus (AXI4-Lite, UART link) reads and writes them here.
/// A write takes effect at the clock edge; `read_data` is there in the same cycle. Reading the low word of a register
/// of 64 bits keeps its high word for the read that follows. Registers that the shell does not have are not `known`."""

_TAIL = "\n`default_nettype wire\n"


def _parameters() -> str:
    found = [
        "    /// Registers of shells that read and write memory.\n    parameter bit Memory = 1'b1,",
        "    /// Registers of shells that are told what a run does.\n    parameter bit Direct = 1'b1,",
        "    /// Registers of shells with a packet link.\n    parameter bit Link = 1'b1",
    ]
    for register, field in fields():
        if field.access is Access.CONSTANT and register.name != "identity":
            note = field.note or register.note.rstrip(".")
            width = register.bits if not field.name else field.bits
            found[-1] += ","
            spelled = f"parameter logic [{width - 1}:0] {parameter(register, field)} = '0"
            found.append(f"    /// {note[0].upper()}{note[1:]}.\n    {spelled}")
    return "\n".join(found)


def _ports() -> str:
    ports = [
        ("input  wire logic", "clk", ""),
        ("input  wire logic", "rst", "synchronous, active high"),
        ("input  wire logic", "write_valid", ""),
        (f"input  wire logic [{ADDRESS_BITS - 1}:0]", "write_address", "byte address of a whole word"),
        (f"input  wire logic [{WORD - 1}:0]", "write_data", ""),
        (f"input  wire logic [{WORD // 8 - 1}:0]", "write_strobe", "bytes that are written"),
        ("output      logic", "write_known", "there is a register at `write_address`"),
        ("input  wire logic", "read_valid", "the read has effect: queues move on, flags are cleared"),
        (f"input  wire logic [{ADDRESS_BITS - 1}:0]", "read_address", "byte address of a whole word"),
        (f"output      logic [{WORD - 1}:0]", "read_data", ""),
        ("output      logic", "read_known", "there is a register at `read_address`"),
    ]
    for register, field in fields():
        for way, suffix in _PORTS[field.access]:
            kind = "input  wire logic" if way == "input" else "output      logic"
            width = f" [{field.bits - 1}:0]" if field.bits > 1 else ""
            ports.append((kind + width, signal(register, field) + suffix, ""))
        if field is register.fields[-1] and field.access is Access.POP:
            ports.append(("output      logic", f"{register.name}_pop", "the entry was read"))
    lines = []
    for index, (kind, name, note) in enumerate(ports):
        comma = "," if index < len(ports) - 1 else ""
        lines.append(f"    {kind} {name}{comma}" + (f"  ///< {note}" if note else ""))
    return "\n".join(lines)


def _hit(way: str, register: Register, word: int = 0) -> str:
    return f"{way}_address == {ADDRESS_BITS}'h{register.offset + 4 * word:02x}"


def _held(register: Register) -> list[Field]:
    """Fields that the decoder itself keeps."""
    kept = (Access.RW, Access.START, Access.PULSE, Access.CLEAR_ON_READ, Access.STICKY)
    return [f for f in register.fields if f.access in kept]


def _state() -> str:
    lines = ["  wire logic [31:0] mask;", "  assign mask = {{8{write_strobe[3]}}, {8{write_strobe[2]}}, "]
    lines[-1] += "{8{write_strobe[1]}}, {8{write_strobe[0]}}};"
    for register in MAP:
        for field in _held(register):
            name, size = signal(register, field), f" [{field.bits - 1}:0]" if field.bits > 1 else ""
            lines.append(f"  logic{size} {name}_q;")
            if field.access is not Access.CLEAR_ON_READ:
                lines.append(f"  assign {name} = {name}_q;")
        if register.bits > WORD and register.fields[0].access is Access.RO:
            lines.append(f"  logic [{WORD - 1}:0] {register.name}_high_q;")
        if register.fields[0].access is Access.POP:
            lines.append(f"  assign {register.name}_pop = read_valid && {_hit('read', register)};")
    return "\n".join(lines)


def _guarded(register: Register, lines: list[str], otherwise: list[str]) -> list[str]:
    """Lines that stand only in shells that have the register."""
    if register.group is Group.ALWAYS:
        return lines
    head = f"  if ({register.group.value}) begin : gen_{register.name}"
    return [head, *(f"  {x}" for x in lines), "  end else begin : gen_no_" + register.name, *otherwise, "  end"]


def _write(level: str = "  ") -> str:
    found: list[str] = []
    for register in MAP:
        kept = _held(register)
        high = register.bits > WORD and register.fields[0].access is Access.RO
        if not kept and not high:
            continue
        lines = ["  always_ff @(posedge clk) begin"]
        for field in kept:
            lines += [f"    {line}" for line in _update(register, field)]
        if high:
            condition = f"read_valid && {_hit('read', register)}"
            lines.append(f"    if ({condition}) {register.name}_high_q <= {register.name}[{register.bits - 1}:{WORD}];")
        names = [f"{signal(register, f)}_q" for f in kept]
        if names:
            lines += ["    if (rst) begin", *(f"      {n} <= '0;" for n in names), "    end"]
        lines.append("  end")
        found += _guarded(register, lines, [f"    assign {n} = '0;" for n in names])
    return "\n".join(found)


def _update(register: Register, field: Field) -> list[str]:
    """Next value of a kept field."""
    name, access = signal(register, field), field.access
    write = f"write_valid && {_hit('write', register)}"
    top = field.low + field.bits - 1
    part = f"[{top}:{field.low}]" if field.bits > 1 else f"[{field.low}]"
    ones = f"(write_data{part} & mask{part})"
    if access is Access.RW:
        lines = []
        for word in range(register.words):
            piece = f"[{WORD * word + WORD - 1}:{WORD * word}]" if register.words > 1 else ""
            bits = "[31:0]" if register.words > 1 else part
            lines.append(f"if (write_valid && {_hit('write', register, word)})")
            lines.append(f"  {name}_q{piece} <= (write_data{bits} & mask{bits}) | ({name}_q{piece} & ~mask{bits});")
        return lines
    if access is Access.PULSE:
        return [f"{name}_q <= {write} && {ones};"]
    if access is Access.START:
        return [f"if ({write} && {ones}) {name}_q <= 1'b1;", f"else if ({name}_clear) {name}_q <= 1'b0;"]
    # An event of the same cycle is not lost by the read or write that clears the flag.
    if access is Access.CLEAR_ON_READ:
        return [
            f"if ({name}_set) {name}_q <= 1'b1;",
            f"else if (read_valid && {_hit('read', register)}) {name}_q <= 1'b0;",
        ]
    return [f"if ({name}_set) {name}_q <= 1'b1;", f"else if ({write} && {ones}) {name}_q <= 1'b0;"]


def _read() -> str:
    lines = ["  always_comb begin", "    read_known = 1'b1;", "    read_data = '0;", "    unique case (read_address)"]
    for register in MAP:
        for word in range(register.words):
            lines.append(f"      {ADDRESS_BITS}'h{register.offset + 4 * word:02x}: begin")
            if register.group is not Group.ALWAYS:
                lines.append(f"        read_known = {register.group.value};")
            lines += [f"        {line}" for line in _shown(register, word)]
            lines.append("      end")
    lines += ["      default: read_known = 1'b0;", "    endcase", "  end"]
    lines += ["  always_comb begin", "    write_known = 1'b1;", "    unique case (write_address)"]
    for register in MAP:
        for word in range(register.words):
            known = register.group.value or "1'b1"
            lines.append(f"      {ADDRESS_BITS}'h{register.offset + 4 * word:02x}: write_known = {known};")
    lines += ["      default: write_known = 1'b0;", "    endcase", "  end"]
    return "\n".join(lines)


def _shown(register: Register, word: int) -> list[str]:
    """Assignments of one word of `read_data`."""
    if register.name == "identity":
        return [f"read_data = 32'h{IDENTITY:08x};"]
    found = []
    for field in register.fields:
        if field.access is Access.PULSE:
            continue
        name = signal(register, field)
        if field.access is Access.CONSTANT:
            name = parameter(register, field)
        elif field in _held(register):
            name += "_q"
        if register.words > 1:
            if word and field.access is Access.RO:
                name = f"{register.name}_high_q"
            else:
                name += f"[{WORD * word + WORD - 1}:{WORD * word}]"
            found.append(f"read_data = {name};")
        else:
            top = field.low + field.bits - 1
            found.append(
                f"read_data[{top}:{field.low}] = {name};" if field.bits > 1 else f"read_data[{field.low}] = {name};"
            )
    return found
