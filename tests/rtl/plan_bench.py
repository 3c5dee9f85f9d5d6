# SPDX-License-Identifier: Apache-2.0
"""One bench for modules of any number of streams: `check_streams` in pytest, and the cocotb tests that it starts.

A case says which words go into every port and which must come out of it; all else is the same for every module.
"""

import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cocotb

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, STREAM, Beat, Harness, Pace, Sink, Source

PLAN = "GATEWRIGHT_PLAN"
Sequences = Sequence[Sequence[Any]]
"""Per sequence its beats: a word, or a list of words where a port has more payload fields than `data`."""


def check_streams(
    module: str,
    parameters: Mapping[str, int | str],
    inputs: Mapping[str, Sequences],
    outputs: Mapping[str, Sequences],
    *,
    loads: Mapping[str, Sequence[int]] | None = None,
    fields: Mapping[str, Sequence[str]] | None = None,
    pins: Mapping[str, int] | None = None,
    pace: tuple[str, int, int] | None = None,
    limit: int = 0,
    endless: bool = False,
    sources: Sequence[Path] = (),
    seed: int | None = None,
) -> None:
    """Simulate `module`: integrity over all paces, reset in the middle, pace of an output.

    Args:
        inputs, outputs: by port; `m[1/3]` is element 1 of the packed array `m` of 3 streams.
        loads: words of load chains, which are sent first.
        fields: payload fields of a port that are not `data` and `last`; `last`, if there is one, comes last.
        pins: inputs that stay constant.
        pace: (output, beats, cycles): at full speed so many beats of it take so many cycles.
        endless: more than the expected beats come out.
        sources: files that are not in the library.
        limit: cycles that a run may take at full speed, if that is more than 20 per beat.
        seed: of the stalls; default GATEWRIGHT_SEED.
    """
    beats = sum(len(s) for port in (*inputs.values(), *outputs.values()) for s in port)
    plan = {
        "inputs": inputs,
        "outputs": outputs,
        "loads": loads or {},
        "fields": fields or {},
        "pins": pins or {},
        "pace": pace,
        "endless": endless,
        "limit": max(20 * beats, limit) + 500,
    }
    with tempfile.TemporaryDirectory(prefix="gatewright-plan-") as folder:
        path = Path(folder) / "plan.json"
        path.write_text(json.dumps(plan))
        run_bench(module, __file__, parameters, sources=sources, seed=seed, environment={PLAN: str(path)})


def element(port: str) -> tuple[str, int, int]:
    """Name, index and count of a port; (name, 0, 1) of one that is no array."""
    found = re.fullmatch(r"(\w+)\[(\d+)/(\d+)\]", port)
    return (found[1], int(found[2]), int(found[3])) if found else (port, 0, 1)


class Ports:
    """The module with a source or sink per port."""

    def __init__(self, dut: Any, pace: Pace) -> None:
        self.plan = json.loads(Path(os.environ[PLAN]).read_text())
        self.bench = Harness(dut)
        for name, value in self.plan["pins"].items():
            getattr(dut, name).value = value
        self.loaders: dict[str, Source] = {p: self.bench.source(p, pace.idle) for p in self.plan["loads"]}
        self.sources: dict[str, Source] = {p: self.source(p, pace) for p in self.plan["inputs"]}
        self.sinks: dict[str, Sink] = {p: self.sink(p, pace) for p in self.plan["outputs"]}

    def source(self, port: str, pace: Pace) -> Source:
        name, index, count = element(port)
        return self.bench.source(name, pace.idle, self.fields(port), index, count)

    def sink(self, port: str, pace: Pace) -> Sink:
        name, index, count = element(port)
        return self.bench.sink(name, pace.stall, pace.patient, self.fields(port), index, count)

    def fields(self, port: str) -> Sequence[str]:
        return tuple(self.plan["fields"].get(port, STREAM))

    def beats(self, port: str, sequences: Sequences) -> list[Beat]:
        """Payloads, with `last` on the final beat of each sequence where the port has it."""
        ends = self.fields(port)[-1] == "last"
        found = []
        for sequence in sequences:
            for i, word in enumerate(sequence):
                payload = tuple(word) if isinstance(word, list) else (word,)
                found.append(payload + ((int(i == len(sequence) - 1),) if ends else ()))
        return found

    def send(self) -> None:
        """Queue everything."""
        for port, words in self.plan["loads"].items():
            self.loaders[port].send_sequence(words)
        for port, sequences in self.plan["inputs"].items():
            self.sources[port].send(self.beats(port, sequences))

    async def finish(self, slower: int = 1) -> None:
        """Everything came, in order and with its `last`, and nothing else."""
        expected = {port: self.beats(port, s) for port, s in self.plan["outputs"].items()}
        counts = {self.sinks[port]: len(beats) for port, beats in expected.items()}
        limit = slower * self.plan["limit"]
        if self.plan["endless"]:
            await self.bench.until(lambda: all(len(sink.beats) >= n for sink, n in counts.items()), limit)
        else:
            await self.bench.finish(counts, limit)
        for port, beats in expected.items():
            assert self.sinks[port].beats[: len(beats)] == beats, f"port {port}"


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    ports = Ports(dut, pace)
    await ports.bench.start()
    ports.send()
    await ports.finish(10)


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 7, 40, 150])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    """Reset forgets everything; what follows is as after power-up."""
    ports = Ports(dut, Pace(0.1, 0.3))
    await ports.bench.start()
    ports.send()
    await ports.bench.step(cycles)
    await ports.bench.reset(1)
    ports.send()
    await ports.finish(5)


@cocotb.test(timeout_time=50, timeout_unit="ms")
async def full_speed(dut: Any) -> None:
    """Groups of beats leave at exactly the promised distance, once the pipeline is full."""
    ports = Ports(dut, Pace())
    if ports.plan["pace"] is None:
        return
    port, beats, cycles = ports.plan["pace"]
    await ports.bench.start()
    ports.send()
    sink = ports.sinks[port]
    expected = ports.beats(port, ports.plan["outputs"][port])
    await ports.bench.until(lambda: len(sink.cycles) == len(expected), ports.plan["limit"])
    ends = sink.cycles[beats - 1 :: beats]
    assert len(ends) > 4
    assert {b - a for a, b in zip(ends[2:], ends[3:], strict=False)} == {cycles}
    await ports.finish()


def word(values: Sequence[int], width: int) -> int:
    """Fields of `width` bits, the first one lowest, as one integer."""
    return sum((int(v) & (1 << width) - 1) << i * width for i, v in enumerate(values))


def beats(values: Sequence[int], lanes: int, width: int) -> list[int]:
    """Fields to words of `lanes` fields each."""
    return [word(values[i : i + lanes], width) for i in range(0, len(values), lanes)]
