# SPDX-License-Identifier: Apache-2.0
"""C++ text of a program: parameter structures, dataflow functions, loops."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gatewright.lower.hls.program import Channel, Process, Program


def configs(program: Program) -> dict[str, str]:
    """Structure text by process name; processes with equal parameters share one, named after the first."""
    names: dict[tuple[object, ...], str] = {}
    found: dict[str, str] = {}
    for process in every(program):
        key = (process.kernel.function, *process.kernel.parameters.items())
        found[process.name] = names.setdefault(key, f"config_{process.name}")
    return found


def every(program: Program) -> list[Process]:
    """All processes, those of loops before their loop."""
    found: list[Process] = []
    for process in program.processes:
        if process.body is not None:
            found += every(process.body)
        found.append(process)
    return found


def config(name: str, parameters: Mapping[str, int]) -> str:
    """A structure of compile-time constants."""
    lines = [f"    static const {_kind(value)} {key} = {value};" for key, value in parameters.items()]
    return "\n".join([f"struct {name} {{", *lines, "};"])


def _kind(value: int) -> str:
    return "unsigned" if 0 <= value < 1 << 32 else "long long"


def call(process: Process, config_name: str, tables: Mapping[str, str], streams: Sequence[str] = ()) -> str:
    """The call of a kernel.

    Args:
        tables: C++ expression of every table, by its identifier.
        streams: expressions of its inputs and outputs; by default the channels' names.
    """
    streams = streams or (*process.inputs, *process.outputs)
    if process.body is not None:
        return f"gatewright::loop<{config_name}, {process.name}_pass>({', '.join(streams)})"
    arguments = [*streams, *(tables[process.table(n)] for n in process.kernel.tables)]
    return f"gatewright::{process.kernel.function}<{config_name}>({', '.join(arguments)})"


def declare(channel: Channel) -> list[str]:
    """A local stream with its depth."""
    why = [f"    // {channel.reason}"] if channel.reason else []
    return [
        *why,
        f"    GATEWRIGHT_STREAM({channel.name}, {channel.depth}, {channel.beat});",
        f"    #pragma HLS STREAM variable={channel.name} depth={channel.depth}",
    ]


def region(program: Program, names: Mapping[str, str], tables: Mapping[str, str]) -> list[str]:
    """Streams and processes of a dataflow function."""
    lines = [line for channel in program.channels.values() for line in declare(channel)]
    for process in program.processes:
        if process.note:
            lines.append(f"    // {process.note}")
        lines.append(f'    GATEWRIGHT_PROCESS("{process.name}", {call(process, names[process.name], tables)});')
    return lines


def loops(processes: Iterable[Process], names: Mapping[str, str], tables: Mapping[str, str]) -> str:
    """One structure per loop with a function that is one pass through its body."""
    found = []
    for process in processes:
        if process.body is not None:
            found.append(loops(process.body.processes, names, tables))
            found.append(_pass(process, process.body, names, tables))
    return "\n".join(t for t in found if t)


def network(
    name: str, program: Program, names: Mapping[str, str], tables: Mapping[str, str], ends: Sequence[str]
) -> str:
    """A whole program as one dataflow function of hls4ml streams, `<name>::run(in, out)`.

    Args:
        ends: the calls that take over from `in` and hand over to `out`.
    """
    first, last = ends
    lines = [
        f"struct {name} {{",
        "    template <class in_T, class out_T> static void run(hls::stream<in_T> &in, hls::stream<out_T> &out) {",
        "    #pragma HLS DATAFLOW",
        "    GATEWRIGHT_REGION;",
        *_around(region(program, names, tables), first, last),
        "    GATEWRIGHT_JOIN;",
        "    }",
        "};",
    ]
    return "\n".join([loops(program.processes, names, tables), *lines])


def _around(inner: Iterable[str], first: str, last: str) -> list[str]:
    """Streams, then the first process, those inside, the last: in this order data flow without concurrency, too."""
    lines = list(inner)
    streams = [line for line in lines if "GATEWRIGHT_PROCESS" not in line]
    calls = [line for line in lines if "GATEWRIGHT_PROCESS" in line]
    return [*streams, f"    {first}", *calls, f"    {last}"]


def _pass(process: Process, body: Program, names: Mapping[str, str], tables: Mapping[str, str]) -> str:
    (start,), (end,) = body.inputs, body.outputs
    beat = body.channels[start.channel].beat
    own = body.tables()
    banked = {n: f"{tables[n]} + bank * {t.entries}" for n, t in own.items()}
    send = f'GATEWRIGHT_PROCESS("{process.name}_send", gatewright::send(from, count, {start.channel}));'
    store = f'GATEWRIGHT_PROCESS("{process.name}_store", gatewright::store({end.channel}, to));'
    lines = [
        f"// {process.note}",
        f"struct {process.name}_pass {{",
        f"    typedef {beat} beat_t;",
        f"    typedef {names[process.name]} config_t;",
        "    static void run(const beat_t from[config_t::beats], beat_t to[config_t::beats], unsigned count,",
        "                    unsigned bank) {",
        "    #pragma HLS DATAFLOW",
        "    GATEWRIGHT_REGION;",
    ]
    lines += _around(region(body, names, banked), send, store)
    return "\n".join([*lines, "    GATEWRIGHT_JOIN;", "    }", "};"])


def structures(program: Program, names: Mapping[str, str]) -> list[str]:
    """Each parameter structure once."""
    found = {names[p.name]: config(names[p.name], p.kernel.parameters) for p in every(program)}
    return list(found.values())


def includes(program: Program) -> list[str]:
    """Include lines of all kernels."""
    extra = {p.kernel.header.name for p in program.extra() if p.kernel.header is not None}
    return [f'#include "{name}"' for name in sorted({f"{h}.hpp" for h in program.headers()} | extra)]
