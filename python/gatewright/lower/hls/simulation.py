# SPDX-License-Identifier: Apache-2.0
"""The C++ of a C simulation with bounded streams: programs, and a plain C interface around them.

    gatewright_load(program, table, values)                     fills a table from int64; order as in `Program.tables`
    gatewright_run(program, in, tokens, out, room, produced)    takes one sequence; returns null, or what went wrong

Tables are filled in at run time, so equal structures with other weights are one build.
"""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.lower.hls import cpp
from gatewright.lower.hls.program import Program, integer

HEAD = '#define GATEWRIGHT_BOUNDED\n#include "simulation/host.hpp"\n'
"""What every simulation begins with."""


def source(programs: Sequence[Program]) -> str:
    """One translation unit, each program in a namespace of its own."""
    lines = HEAD.splitlines()
    lines += sorted({line for one in programs for line in cpp.includes(one)})
    for k, one in enumerate(programs):
        lines += ["", f"// {one.name}", f"namespace program_{k} {{", *_program(one), f"}} // namespace program_{k}"]
    for part in ("load", "run"):
        names = ", ".join(f"program_{k}::{part}" for k in range(len(programs)))
        lines += ["", f"static const gatewright::{part}_function {part}s[] = {{{names}}};"]
    return "\n".join([*lines, "GATEWRIGHT_HOST(loads, runs)", ""])


def _program(program: Program) -> list[str]:
    names, tables = cpp.configs(program), program.tables()
    symbols = {name: name for name in tables}
    return [
        *cpp.structures(program, names),
        *(f"{integer(t.fixed)} {name}[{t.values.size}];" for name, t in tables.items()),
        cpp.loops(program.processes, names, symbols),
        "void load(int table, const long long *values) {",
        "    switch (table) {",
        *(f"    case {k}: gatewright::fill({name}, values); break;" for k, name in enumerate(tables)),
        "    }",
        "}",
        "void run(const long long *const *in, const int *tokens, long long *const *out, const int *room,",
        "         int *produced) {",
        "    GATEWRIGHT_REGION;",
        *cpp.region(program, names, symbols),
        *_ends(program),
        "    GATEWRIGHT_JOIN;",
        *(f"    {name}.check_empty();" for name in program.channels),
        "}",
    ]


def _ends(program: Program) -> list[str]:
    """The processes that feed the inputs and collect the outputs."""
    feeds = [
        f'    GATEWRIGHT_PROCESS("{p.value}", gatewright::feed(in[{k}], tokens[{k}] * {p.kind.channels}, {p.channel}));'
        for k, p in enumerate(program.inputs)
    ]
    collects = [
        f'    GATEWRIGHT_PROCESS("{p.value}", '
        f"produced[{k}] = gatewright::collect({p.channel}, out[{k}], room[{k}] * {p.kind.channels}));"
        for k, p in enumerate(program.outputs)
    ]
    return feeds + collects
