# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_join: beat i of both sides leaves together, once and in order."""

from typing import Any

import cocotb
import pytest

from gatewright.errors import SimulationError
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_sequences

LENGTHS = (1, 2, 3, 1, 1, 17, 40)
Sequences = list[list[int]]


def both_sides(bench: Harness, lengths: tuple[int, ...]) -> tuple[Sequences, Sequences, Sequences]:
    """Sequences of side 0, side 1 and what they make together."""
    low, high = parameters()["Width0"], parameters()["Width1"]
    side0, side1 = random_sequences(bench.rng, low, lengths), random_sequences(bench.rng, high, lengths)
    joined = [[a | b << low for a, b in zip(x, y, strict=True)] for x, y in zip(side0, side1, strict=True)]
    return side0, side1, joined


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, uneven=[0, 1, 2])
async def integrity(dut: Any, pace: Pace, uneven: int) -> None:
    """Both sides at the same pace, or one of them always ready."""
    bench = Harness(dut)
    source0 = bench.source("s0", idle=0.0 if uneven == 1 else pace.idle)
    source1 = bench.source("s1", idle=0.0 if uneven == 2 else pace.idle)
    sink = bench.sink(stall=pace.stall, patient=pace.patient)
    await bench.start()
    side0, side1, joined = both_sides(bench, LENGTHS)
    for words in side0:
        source0.send_sequence(words)
    for words in side1:
        source1.send_sequence(words)
    await bench.finish({sink: sum(LENGTHS)}, limit=5000)
    assert sink.sequences() == joined
    assert pace.idle or pace.patient or sink.gaps == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Harness(dut)
    source0, source1 = bench.source("s0", idle=0.1), bench.source("s1", idle=0.5)
    sink = bench.sink(stall=0.6)
    await bench.start()
    for length in (5, 20):
        source0.send_sequence([0] * length)
        source1.send_sequence([1] * length)
    await bench.step(cycles)
    await bench.reset(1)
    side0, side1, joined = both_sides(bench, (3, 1))
    for words in side0:
        source0.send_sequence(words)
    for words in side1:
        source1.send_sequence(words)
    await bench.finish({sink: 4}, limit=200)
    assert sink.sequences() == joined


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def unequal_lengths(dut: Any) -> None:
    """Run alone: the assertion must end the simulation."""
    bench = Harness(dut)
    source0, source1, sink = bench.source("s0"), bench.source("s1"), bench.sink()
    await bench.start()
    source0.send_sequence([0, 0])
    source1.send_sequence([1, 1, 1])
    await bench.until(lambda: len(sink.beats) >= 3, limit=20)


@pytest.mark.parametrize(("width0", "width1"), [(8, 8), (1, 40)])
def test_stream_join(width0: int, width1: int) -> None:
    run_bench("stream_join", __file__, {"Width0": width0, "Width1": width1}, tests="integrity|reset_in_the_middle")


def test_unequal_lengths_are_reported() -> None:
    with pytest.raises(SimulationError, match="the two sequences differ in length"):
        run_bench("stream_join", __file__, {"Width0": 8, "Width1": 8}, tests="unequal_lengths")
