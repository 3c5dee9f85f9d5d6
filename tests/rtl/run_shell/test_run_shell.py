# SPDX-License-Identifier: Apache-2.0
"""Bench of run_shell alone: words in and out, and the signals with which a bus reports what went wrong.

Runs, lengths and resets are in the benches of memory_shell and dma_shell, which are this shell with a bus around it.
"""

from typing import Any

import cocotb
from cocotb.triggers import ClockCycles
from rtl.shell_bench import Host, Network, layout, sequences, wanted, weights

from gatewright.shell.layout import Words
from gatewright.sim.beats import as_numbers
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters

QUIET = {"no_data": 0, "out_at_rest": 1, "in_error": 0, "out_error": 0, "out_overflow": 0}


class Bench:
    def __init__(self, dut: Any) -> None:
        self.dut, self.harness = dut, Harness(dut)
        for name, value in QUIET.items():
            getattr(dut, name).value = value
        self.network = Network(self.harness, 0.2)
        self.host = Host(self.harness)
        self.source = self.harness.source("i", idle=0.2, fields=("data", "bytes", "last"))
        self.sink = self.harness.sink("o", stall=0.2, fields=("data", "bytes", "last"))
        self.memory = weights(self.harness.rng)

    def send(self, data: bytes) -> None:
        size = parameters()["WordBytes"]
        parts = [data[i : i + size] for i in range(0, len(data), size)]
        end = len(parts) - 1
        self.source.send([(int.from_bytes(p, "little"), len(p), int(i == end)) for i, p in enumerate(parts)])

    async def load(self) -> None:
        self.send(layout().weights(self.memory))
        await self.host.go(load=True)
        await self.host.done()

    async def run(self, items: list[Words]) -> list[list[int]]:
        self.sink.beats.clear()
        self.send(layout().pack(items))
        await self.host.go(sequences=len(items))
        await self.host.done()
        assert [last for *_, last in self.sink.beats] == [0] * (len(self.sink.beats) - 1) + [1]
        size = parameters()["WordBytes"]
        data = b"".join(value.to_bytes(size, "little")[:count] for value, count, _ in self.sink.beats)
        tokens = [len(s) // parameters()["InBeats"] for s in items]
        assert len(data) == layout().output_bytes(tokens)
        return [as_numbers(r) for r in layout().unpack(data, tokens)]


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def flags_of_the_bus(dut: Any) -> None:
    """Each signal sets its flag, once, and is told apart by what the run does; a broken load is forgotten."""
    bench = Bench(dut)
    await bench.host.start()
    await bench.load()
    items = sequences(bench.harness.rng, [3, 1])
    for name, flag in (("out_error", "output_bus"), ("out_overflow", "output_length"), ("in_error", "input_bus")):
        getattr(dut, name).value = 1
        await ClockCycles(dut.clk, 1)
        getattr(dut, name).value = 0
        assert await bench.host.errors() == {flag}
        assert not await bench.host.errors()
    assert await bench.run(items) == wanted(items, bench.memory)
    await bench.host.go(load=True)
    await bench.host.read("status")
    dut.in_error.value = 1
    await ClockCycles(dut.clk, 1)
    dut.in_error.value = 0
    bench.send(layout().weights(bench.memory))
    await bench.host.done()
    assert await bench.host.errors() == {"weights_bus"}
    assert not await bench.host.read("status.loaded")


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def waits_for_the_bus(dut: Any) -> None:
    """A run is done when its results are where they should go, not before."""
    bench = Bench(dut)
    await bench.host.start()
    await bench.load()
    dut.out_at_rest.value = 0
    items = sequences(bench.harness.rng, [3, 1])
    bench.send(layout().pack(items))
    await bench.host.go(sequences=2)
    for _ in range(20):
        assert not await bench.host.read("control.done")
    assert await bench.host.read("finished") == 2
    dut.out_at_rest.value = 1
    await bench.host.done()


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def restarts(dut: Any) -> None:
    """With `auto_restart`, run follows run without the host."""
    bench = Bench(dut)
    await bench.host.start()
    await bench.load()
    items = sequences(bench.harness.rng, [2])
    await bench.host.write("mode", 0)
    await bench.host.write("sequences", 1)
    await bench.host.write("control", 0x81)
    for _ in range(3):
        bench.sink.beats.clear()
        bench.send(layout().pack(items))
        await bench.host.done()
        data = b"".join(v.to_bytes(parameters()["WordBytes"], "little")[:n] for v, n, _ in bench.sink.beats)
        assert [as_numbers(r) for r in layout().unpack(data, [2])] == wanted(items, bench.memory)
    assert not await bench.host.errors()


def test_run_shell() -> None:
    sizes = {"InBits": 12, "InBeats": 2, "OutBits": 16, "Load": 32, "LoadWords": 3, "TagBits": 6}
    run_bench("run_shell", __file__, {"WordBytes": 8, **sizes})
