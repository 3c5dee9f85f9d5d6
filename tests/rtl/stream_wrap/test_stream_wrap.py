# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_wrap: a sequence and its head once more, one beat per cycle, also where it is shorter than that."""

from typing import Any

import cocotb
import pytest
from rtl.stream_bench import check_reset, check_results

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters, random_words


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    """One stream in, one out."""
    bench = Harness(dut)
    return bench, bench.source(idle=pace.idle), bench.sink(stall=pace.stall, patient=pace.patient)


def send(bench: Harness, source: Source, count: int) -> list[Beat]:
    """Sequences of the least length, of the head's, of a few times it."""
    p = parameters()
    least, head = max(1, p["Skip"]), p["Head"]
    found: list[Beat] = []
    for k in range(count):
        tokens = [least, head, 3 * head + 1, least, bench.rng.randint(least, 4 * head)][k % 5]
        words = random_words(bench.rng, p["Width"], max(tokens, least) * p["Chunks"])
        source.send_sequence(words)
        places = range(p["Skip"] * p["Chunks"], len(words) + head * p["Chunks"])
        found += [(words[i % len(words)], i + 1 == places.stop) for i in places]
    return found


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    await check_results(dut, pace, ports, send, 10, 50_000)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 3, 8, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, ports, send, 50_000)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def full_throughput(dut: Any) -> None:
    """Without Skip a beat leaves in every cycle; else its tokens are the only bubbles."""
    p = parameters()
    _, sink = await check_results(dut, Pace(0, 0), ports, send, 5, 50_000)
    span = sink.cycles[-1] - sink.cycles[0] + 1
    assert span == len(sink.beats) + 4 * p["Skip"] * p["Chunks"]


@pytest.mark.parametrize(("chunks", "skip", "head"), [(2, 0, 3), (1, 2, 2)])
def test_stream_wrap(chunks: int, skip: int, head: int) -> None:
    run_bench("stream_wrap", __file__, {"Width": 9, "Chunks": chunks, "Skip": skip, "Head": head})
