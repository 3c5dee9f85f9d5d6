# SPDX-License-Identifier: Apache-2.0
"""Bench of axi_read_master: any address and length, page boundaries, errors on the bus, cancelled commands."""

import random
from typing import Any

import cocotb
import pytest
from cocotbext.axi import AxiResp
from rtl.axi_bench import COUNT, PACES, SIZE, Protocol, Reader, commands, report

from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Sink, Source
from gatewright.sim.streams import Harness, Pace, parameters


def place(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink, Reader, Protocol]:
    bench, p = Harness(dut), parameters()
    dut.cancel.value = 0
    source = bench.source("c", fields=("address", "bytes"))
    sink = bench.sink("m", stall=pace.stall, patient=pace.patient, fields=("data", "bytes", "last"))
    memory = Reader(bench, "axi", pace)
    memory.write(0, bench.rng.randbytes(SIZE))
    return bench, source, sink, memory, Protocol(bench, "axi", False, p["Burst"], p["Outstanding"])


def received(sink: Sink) -> list[bytes]:
    """Bytes of every command; words before the final one are whole."""
    found, word = [b""], parameters()["Width"] // 8
    for data, count, last in sink.beats:
        assert 1 <= count <= word and (last or count == word)
        found[-1] += (data & (1 << 8 * count) - 1).to_bytes(count, "little")
        if last:
            found.append(b"")
    assert not found.pop(), "the final word has no last"
    return found


def words(commanded: list[tuple[int, int]]) -> int:
    return sum(-(-length // (parameters()["Width"] // 8)) for _, length in commanded)


@cocotb.test(timeout_time=2000, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench, source, sink, memory, protocol = place(dut, pace)
    await bench.start()
    sent = commands(random.Random(f"{bench.seed} {pace}"), COUNT, parameters()["Width"])
    source.send(sent)
    await bench.finish({sink: words(sent)}, limit=400 * words(sent) + 5000)
    assert received(sink) == [memory.read(a, n) for a, n in sent if n]
    assert not dut.error.value.to_unsigned()
    for what, count in (("commands", len(sent)), ("bursts", protocol.bursts), ("beats", protocol.beats)):
        report(what, count)


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def full_throughput(dut: Any) -> None:
    """A long aligned read over many pages keeps the stream full once it has begun."""
    bench, source, sink, _, _ = place(dut, Pace())
    await bench.start()
    word = parameters()["Width"] // 8
    source.send([(0, 200 * word)])
    await bench.finish({sink: 200}, limit=5000)
    # The memory model pauses a few cycles between bursts; the master itself asks ahead.
    assert sink.cycles[-1] - sink.cycles[0] < 200 + 6 * -(-200 // parameters()["Burst"])


@cocotb.test(timeout_time=200, timeout_unit="ms")
@cocotb.parametrize(response=[AxiResp.SLVERR, AxiResp.DECERR])
@cocotb.parametrize(pace=[Pace(), Pace(0.3, 0.3)])
async def bus_errors(dut: Any, response: AxiResp, pace: Pace) -> None:
    """An error is flagged, the command ends with all its words, and the next one knows nothing of it."""
    bench, source, sink, memory, _ = place(dut, pace)
    await bench.start()
    word = parameters()["Width"] // 8
    for _ in range(8):
        first = bench.rng.randrange(40) * word
        memory.faults = {first + bench.rng.randrange(20) * word: response}
        for (address, length), wanted in (((first, 20 * word), 1 << (response == AxiResp.DECERR)), ((SIZE // 2, 9), 0)):
            sink.reset()
            source.send([(address, length)])
            await bench.finish({sink: words([(address, length)])}, limit=5000)
            await bench.until(lambda: bool(dut.c_ready.value), 100)
            assert dut.error.value.to_unsigned() == wanted
            assert received(sink) == [memory.read(address, length)]
    report(f"read answered with {response.name}", 8)


@cocotb.test(timeout_time=200, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 5, 9, 30, 77])
@cocotb.parametrize(hard=[False, True])
async def ended_in_the_middle(dut: Any, cycles: int, hard: bool) -> None:
    """After a cancel, or a reset of master and bus, the next command is right and nothing of the old one comes."""
    bench, source, sink, memory, protocol = place(dut, Pace(0.3, 0.5))
    await bench.start()
    for round_ in range(3):
        source.send([(bench.rng.randrange(4000), 6000)])
        await bench.step(cycles + round_)
        if hard:
            await bench.reset(2)
        else:
            dut.cancel.value = 1
            source.reset()
            # What the stream offers now is withdrawn with the command.
            sink.withdraws = True
            await bench.step(1 + round_)
            dut.cancel.value = 0
            await bench.step(2)
            sink.withdraws = False
            sink.beats.clear()
        bursts = protocol.bursts
        sent = commands(bench.rng, 4, parameters()["Width"])
        source.send(sent)
        await bench.finish({sink: words(sent)}, limit=400 * words(sent) + 5000)
        assert received(sink) == [memory.read(a, n) for a, n in sent if n]
        assert protocol.bursts > bursts or not words(sent)
        sink.beats.clear()
    report("read ended by a reset" if hard else "read cancelled", 3)


@pytest.mark.parametrize(("width", "burst", "outstanding"), [(64, 16, 4), (128, 1, 1), (512, 64, 2), (256, 7, 3)])
def test_axi_read_master(width: int, burst: int, outstanding: int) -> None:
    run_bench("axi_read_master", __file__, {"Width": width, "Burst": burst, "Outstanding": outstanding})
