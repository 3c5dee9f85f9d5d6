# SPDX-License-Identifier: Apache-2.0
"""Bench of dma_shell: whole runs as a DMA makes them, one packet in and one out, and packets of the wrong length."""

import logging
from typing import Any

import cocotb
import pytest
from cocotb.triggers import with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from rtl.axi_bench import pauses
from rtl.shell_bench import MOST, Host, Network, layout, sequences, wanted, weights

from gatewright.shell.layout import Words
from gatewright.sim.beats import as_numbers
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, Pace, parameters

LENGTHS = [1, MOST, 3, 2, 5, 1, 1, 7]


class Zynq:
    """A host, its DMA and the shell."""

    def __init__(self, dut: Any, pace: Pace, stall: float = 0.0) -> None:
        self.bench = Harness(dut)
        self.rng = self.bench.rng
        self.network = Network(self.bench, stall)
        self.host = Host(self.bench)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "i"), dut.clk, dut.rst)
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "o"), dut.clk, dut.rst)
        for port, chance in ((self.source, pace.idle), (self.sink, pace.stall)):
            port.log.setLevel(logging.ERROR)
            if chance:
                port.set_pause_generator(pauses(self.rng, chance))
        self.memory = weights(self.rng)

    async def send(self, data: bytes) -> None:
        await self.source.send(AxiStreamFrame(data))

    async def receive(self) -> bytes:
        frame = await with_timeout(self.sink.recv(), 100, "us")
        return bytes(frame.tdata)

    async def load(self, data: bytes | None = None) -> None:
        await self.send(layout().weights(self.memory) if data is None else data)
        await self.host.go(load=True)
        await self.host.done()

    async def start(self) -> None:
        await self.host.start()
        await self.load()
        assert await self.host.read("status.loaded")
        assert not await self.host.errors()

    async def run(self, items: list[Words], data: bytes | None = None, early: bool = False) -> list[list[int]]:
        """A run; the packet is sent before its start, or after it."""
        data = layout().pack(items) if data is None else data
        if early:
            await self.send(data)
        await self.host.go(sequences=len(items))
        if not early:
            await self.send(data)
        return self.results(items, await self.receive())

    @staticmethod
    def results(items: list[Words], data: bytes) -> list[list[int]]:
        tokens = [n for s in items if 1 <= (n := len(s) // parameters()["InBeats"]) <= MOST]
        need = layout().output_bytes(tokens)
        assert len(data) == max(need, 1)
        return [as_numbers(r) for r in layout().unpack(data, tokens)] if tokens else []


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(pace=[Pace(), Pace(0.4, 0.4)])
@cocotb.parametrize(early=[False, True])
async def runs(dut: Any, pace: Pace, early: bool) -> None:
    zynq = Zynq(dut, pace, pace.stall / 2)
    await zynq.start()
    for lengths in (LENGTHS, [2], [1] * 3, LENGTHS * 2):
        items = sequences(zynq.rng, lengths)
        assert await zynq.run(items, early=early) == wanted(items, zynq.memory)
        await zynq.host.done()
        assert not await zynq.host.errors()
        assert await zynq.host.read("finished") == len(lengths)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def packets_in_advance(dut: Any) -> None:
    """The DMA may be ahead by packets: each waits for its run, weights too."""
    zynq = Zynq(dut, Pace(0.1, 0.1))
    await zynq.start()
    first, second = sequences(zynq.rng, LENGTHS), sequences(zynq.rng, [4])
    old = zynq.memory
    await zynq.send(layout().pack(first))
    zynq.memory = weights(zynq.rng)
    await zynq.send(layout().weights(zynq.memory))
    await zynq.send(layout().pack(second))
    for load, count in ((False, len(first)), (True, 0), (False, 1)):
        await zynq.host.go(load=load, sequences=count)
        await zynq.host.done()
    assert zynq.results(first, await zynq.receive()) == wanted(first, old)
    assert zynq.results(second, await zynq.receive()) == wanted(second, zynq.memory)
    assert not await zynq.host.errors()


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def wrong_packets(dut: Any) -> None:
    """Short and long packets are flagged, every run ends with a packet, and the next one is right."""
    zynq = Zynq(dut, Pace(0.1, 0.1))
    await zynq.start()
    items = sequences(zynq.rng, [2, 3])
    data = layout().pack(items)
    # A run without a result sends one byte; weights of the wrong length leave none behind.
    for part in (data[:1], data[: layout().input_bits // 8 or 1]):
        assert await zynq.run([items[0][:0]] * 2, data=part) == []
        await zynq.host.done()
        assert await zynq.host.errors() == {"input_length", "malformed"}
        assert await zynq.host.read("rejections") == 2
    assert await zynq.run(items, data=data + bytes(100)) == wanted(items, zynq.memory)
    await zynq.host.done()
    assert await zynq.host.errors() == {"input_length"}
    for broken in (layout().weights(zynq.memory)[:-1], layout().weights(zynq.memory) + b"?"):
        await zynq.load(broken)
        assert await zynq.host.errors() == {"weights_length"}
        assert not await zynq.host.read("status.loaded")
    await zynq.load()
    assert await zynq.run(items) == wanted(items, zynq.memory)
    await zynq.host.done()
    assert not await zynq.host.errors()


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def soft_resets(dut: Any) -> None:
    """With the DMA reset too, nothing of a run in the middle is left."""
    zynq = Zynq(dut, Pace(0.3, 0.3), 0.3)
    await zynq.start()
    items = sequences(zynq.rng, LENGTHS * 2)
    for reads in (0, 1, 3, 6):
        await zynq.send(layout().pack(items))
        await zynq.host.go(sequences=len(items))
        for _ in range(reads):
            await zynq.host.read("status")
        # The shell first: from then on it takes nothing, and the DMA may drop what it has.
        await zynq.host.write("command.reset", 1)
        for port in (zynq.source, zynq.sink):
            port.assert_reset(True)
            port.clear()
            port.assert_reset(False)
        await zynq.load()
        assert await zynq.run(items[:5]) == wanted(items[:5], zynq.memory)
        await zynq.host.done()
        assert not await zynq.host.errors()


@pytest.mark.parametrize(
    "p",
    [
        {"Width": 64, "InBits": 10, "InBeats": 2, "OutBits": 8, "Load": 32, "LoadWords": 5},
        {"Width": 32, "InBits": 64, "InBeats": 1, "OutBits": 40, "Load": 32, "LoadWords": 1},
    ],
)
def test_dma_shell(p: dict[str, int]) -> None:
    run_bench("dma_shell", __file__, {"TagBits": 6, **p})
