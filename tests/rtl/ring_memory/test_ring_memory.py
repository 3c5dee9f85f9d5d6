# SPDX-License-Identifier: Apache-2.0
"""Bench of ring_memory: every beat once and in order, one per cycle, and exactly Depth + 2 beats held."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_words

DATA = ("data",)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    source = bench.source("s", pace.idle, DATA)
    sink = bench.sink("m", pace.stall, pace.patient, DATA)
    await bench.start()
    words = random_words(bench.rng, parameters()["Width"], 150)
    source.send([(word,) for word in words])
    await bench.finish({sink: 150}, limit=5000)
    assert sink.words == words
    if parameters()["Depth"] > 1 and not pace.idle and not pace.patient:
        assert sink.gaps == 0
    if pace == Pace():
        assert sink.cycles[0] - source.taken[0] == 3


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def fills_and_empties(dut: Any) -> None:
    bench = Harness(dut)
    source, sink = bench.source("s", fields=DATA), bench.sink("m", 1.0, fields=DATA)
    await bench.start()
    depth = parameters()["Depth"]
    words = random_words(bench.rng, parameters()["Width"], 3 * depth + 5)
    for _ in range(2):
        source.send([(word,) for word in words])
        await bench.step(2 * depth + 20)
        assert len(source.taken) == depth + 2
        sink.stall = 0.0
        await bench.finish({sink: len(words)}, limit=8 * depth + 50)
        assert sink.words == words
        source.taken.clear()
        sink.reset()
        sink.stall = 1.0
        await bench.step()


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 40])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Harness(dut)
    source, sink = bench.source("s", 0.1, DATA), bench.sink("m", 0.7, fields=DATA)
    await bench.start()
    source.send([(0,)] * 60)
    await bench.step(cycles)
    await bench.reset(1)
    words = random_words(bench.rng, parameters()["Width"], 4)
    source.send([(word,) for word in words])
    await bench.finish({sink: 4}, limit=200)
    assert sink.words == words


@pytest.mark.parametrize(("width", "depth"), [(8, 1), (1, 5), (33, 16)])
def test_ring_memory(width: int, depth: int) -> None:
    run_bench("ring_memory", __file__, {"Width": width, "Depth": depth})
