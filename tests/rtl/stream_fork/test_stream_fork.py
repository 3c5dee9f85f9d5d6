# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_fork: every reader gets every beat once and in order, at its own pace."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, Source, parameters, random_sequences


def ports(bench: Harness, idle: float, stalls: list[float], patient: bool = False) -> tuple[Source, list[Sink]]:
    count = parameters()["Outputs"]
    sinks = [bench.sink("m", stalls[i % len(stalls)], patient, index=i, count=count) for i in range(count)]
    return bench.source(idle=idle), sinks


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, uneven=[False, True])
async def integrity(dut: Any, pace: Pace, uneven: bool) -> None:
    bench = Harness(dut)
    stalls = [pace.stall, pace.stall / 2, 0.0] if uneven else [pace.stall]
    source, sinks = ports(bench, pace.idle, stalls, pace.patient)
    await bench.start()
    sequences = random_sequences(bench.rng, parameters()["Width"])
    for words in sequences:
        source.send_sequence(words)
    await bench.finish(dict.fromkeys(sinks, sum(map(len, sequences))), limit=5000)
    for sink in sinks:
        assert sink.sequences() == sequences
        assert pace != Pace() or sink.gaps == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def one_blocked_reader_holds_the_beat(dut: Any) -> None:
    """The others take the beat once and then see no valid until the slowest has taken it too."""
    bench = Harness(dut)
    source, sinks = ports(bench, 0.0, [0.0])
    sinks[0].stall = 1.0
    await bench.start()
    source.send_sequence([1, 0, 1])
    await bench.step(20)
    assert [len(sink.beats) for sink in sinks] == [0] + [1] * (len(sinks) - 1)
    assert not source.taken
    sinks[0].stall = 0.0
    await bench.finish(dict.fromkeys(sinks, 3), limit=20)
    assert all(sink.words == [1, 0, 1] for sink in sinks)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Harness(dut)
    source, sinks = ports(bench, 0.1, [0.8, 0.1])
    await bench.start()
    for words in random_sequences(bench.rng, parameters()["Width"]):
        source.send_sequence(words)
    await bench.step(cycles)
    await bench.reset(1)
    sequences = random_sequences(bench.rng, parameters()["Width"], (3, 1))
    for words in sequences:
        source.send_sequence(words)
    await bench.finish(dict.fromkeys(sinks, 4), limit=200)
    assert all(sink.sequences() == sequences for sink in sinks)


@pytest.mark.parametrize(("width", "outputs"), [(8, 2), (1, 5), (33, 3)])
def test_stream_fork(width: int, outputs: int) -> None:
    run_bench("stream_fork", __file__, {"Width": width, "Outputs": outputs})
