# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_skid: every beat once and in order, one per cycle, with one cycle of latency."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_sequences


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    source, sink = bench.source(idle=pace.idle), bench.sink(stall=pace.stall, patient=pace.patient)
    await bench.start()
    sequences = random_sequences(bench.rng, parameters()["Width"])
    for words in sequences:
        source.send_sequence(words)
    await bench.finish({sink: sum(map(len, sequences))}, limit=5000)
    assert sink.sequences() == sequences
    # A source that never idles leaves no ready cycle unused, however the sink stalls.
    assert pace.idle or pace.patient or sink.gaps == 0
    if not pace.idle and not pace.stall:
        assert all(out - taken == 1 for out, taken in zip(sink.cycles, source.taken, strict=True))


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Harness(dut)
    source, sink = bench.source(idle=0.2), bench.sink(stall=0.6)
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


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def holds_two_beats(dut: Any) -> None:
    bench = Harness(dut)
    source, sink = bench.source(), bench.sink(stall=1.0)
    await bench.start()
    source.send_sequence([0, 1, 1, 0])
    await bench.step(20)
    assert len(source.taken) == 2
    sink.stall = 0.0
    await bench.finish({sink: 4}, limit=20)
    assert sink.words == [0, 1, 1, 0]


@pytest.mark.parametrize("width", [1, 8, 67])
def test_stream_skid(width: int) -> None:
    run_bench("stream_skid", __file__, {"Width": width})
