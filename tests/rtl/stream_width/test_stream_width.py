# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_width: lanes are regrouped in order, `last` moves to the final beat, no cycle is lost."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_sequences, random_words


def regroup(words: list[int]) -> list[int]:
    """Reference: one long integer, cut anew."""
    p = parameters()
    wide_in, wide_out = p["Width"] * p["InLanes"], p["Width"] * p["OutLanes"]
    whole = sum(word << i * wide_in for i, word in enumerate(words))
    return [whole >> i * wide_out & (1 << wide_out) - 1 for i in range(len(words) * wide_in // wide_out)]


def sequences(bench: Harness, beats: tuple[int, ...]) -> list[list[int]]:
    """Sequences of whole output beats: `beats` counts beats of the wider side."""
    p = parameters()
    parts = max(1, p["OutLanes"] // p["InLanes"])
    return random_sequences(bench.rng, p["Width"] * p["InLanes"], [n * parts for n in beats])


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    source, sink = bench.source(idle=pace.idle), bench.sink(stall=pace.stall, patient=pace.patient)
    await bench.start()
    inputs = sequences(bench, (1, 2, 3, 1, 1, 17))
    for words in inputs:
        source.send_sequence(words)
    expected = [regroup(words) for words in inputs]
    await bench.finish({sink: sum(map(len, expected))}, limit=10000)
    assert sink.sequences() == expected


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(stall=[0.0, 0.4])
async def full_throughput(dut: Any, stall: float) -> None:
    """The narrower side moves a beat in every cycle."""
    bench = Harness(dut)
    p = parameters()
    source, sink = bench.source(), bench.sink(stall=stall)
    await bench.start()
    ratio = max(1, p["OutLanes"] // p["InLanes"])
    source.send_sequence(random_words(bench.rng, p["Width"] * p["InLanes"], 20 * ratio))
    count = 20 * ratio * p["InLanes"] // p["OutLanes"]
    await bench.finish({sink: count}, limit=5000)
    if ratio == 1:
        assert sink.gaps == 0
    if not stall:
        # An input beat lasts as many cycles as it has parts; the final one is taken in its first cycle.
        parts = max(1, p["InLanes"] // p["OutLanes"])
        assert source.taken[-1] - source.taken[0] == (20 * ratio - 1) * parts


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 4, 5, 7, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    """A reset within a token forgets the part that was there."""
    bench = Harness(dut)
    source, sink = bench.source(), bench.sink(stall=0.2)
    await bench.start()
    for words in sequences(bench, (3, 17)):
        source.send_sequence(words)
    await bench.step(cycles)
    await bench.reset(1)
    inputs = sequences(bench, (2, 1))
    for words in inputs:
        source.send_sequence(words)
    expected = [regroup(words) for words in inputs]
    await bench.finish({sink: sum(map(len, expected))}, limit=500)
    assert sink.sequences() == expected


@pytest.mark.parametrize(
    ("width", "lanes_in", "lanes_out"), [(8, 1, 4), (3, 2, 6), (8, 4, 1), (5, 6, 3), (8, 2, 2), (1, 16, 1)]
)
def test_stream_width(width: int, lanes_in: int, lanes_out: int) -> None:
    run_bench("stream_width", __file__, {"Width": width, "InLanes": lanes_in, "OutLanes": lanes_out})
