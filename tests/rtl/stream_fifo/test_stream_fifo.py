# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_fifo: every beat once and in order, one per cycle, and exactly Depth + 1 beats held."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_sequences, random_words


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    source, sink = bench.source(idle=pace.idle), bench.sink(stall=pace.stall, patient=pace.patient)
    await bench.start()
    sequences = random_sequences(bench.rng, parameters()["Width"], (1, 2, 3, 1, 1, 17, 80))
    for words in sequences:
        source.send_sequence(words)
    await bench.finish({sink: sum(map(len, sequences))}, limit=5000)
    assert sink.sequences() == sequences


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.4, 0.8])
async def full_throughput(dut: Any, stall: float) -> None:
    """With room for two beats or more no ready cycle is lost; a single slot is refilled every other cycle."""
    bench = Harness(dut)
    source, sink = bench.source(), bench.sink(stall=stall)
    await bench.start()
    words = random_words(bench.rng, parameters()["Width"], 100)
    source.send_sequence(words)
    await bench.finish({sink: 100}, limit=2000)
    assert sink.sequences() == [words]
    if parameters()["Depth"] > 1:
        assert sink.gaps == 0
        assert stall or sink.cycles[0] - source.taken[0] == 2
    elif not stall:
        assert sink.gaps == 99


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def fills_and_empties(dut: Any) -> None:
    bench = Harness(dut)
    source, sink = bench.source(), bench.sink(stall=1.0)
    await bench.start()
    depth = parameters()["Depth"]
    words = random_words(bench.rng, parameters()["Width"], 3 * depth + 5)
    for _ in range(2):
        source.send_sequence(words)
        await bench.step(depth + 20)
        assert len(source.taken) == depth + 1
        sink.stall = 0.0
        await bench.finish({sink: len(words)}, limit=8 * depth + 50)
        assert sink.sequences() == [words]
        source.taken.clear()
        sink.reset()
        sink.stall = 1.0
        await bench.step()


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 40])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Harness(dut)
    source, sink = bench.source(idle=0.1), bench.sink(stall=0.7)
    await bench.start()
    for words in random_sequences(bench.rng, parameters()["Width"]):
        source.send_sequence(words)
    await bench.step(cycles)
    await bench.reset(1)
    sequences = random_sequences(bench.rng, parameters()["Width"], (3, 1))
    for words in sequences:
        source.send_sequence(words)
    await bench.finish({sink: 4}, limit=200)
    assert sink.sequences() == sequences


@pytest.mark.parametrize(("width", "depth"), [(8, 1), (1, 5), (33, 16)])
def test_stream_fifo(width: int, depth: int) -> None:
    run_bench("stream_fifo", __file__, {"Width": width, "Depth": depth})
