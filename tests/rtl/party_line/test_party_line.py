# SPDX-License-Identifier: Apache-2.0
"""Bench of party_line: every beat comes out, in order, not before its latency; without pauses at full pace."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_sequences, random_words

P = parameters()


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    source, sink = bench.source(idle=pace.idle), bench.sink(stall=pace.stall, patient=pace.patient)
    await bench.start()
    sequences = random_sequences(bench.rng, P["Width"])
    for words in sequences:
        source.send_sequence(words)
    await bench.finish({sink: sum(map(len, sequences))}, limit=10000)
    assert sink.sequences() == sequences
    delays = [out - taken for out, taken in zip(sink.cycles, source.taken, strict=True)]
    assert min(delays) >= P["Latency"]
    if pace == Pace() and not P["Stall"]:
        assert sink.gaps == 0 and max(delays) <= P["Latency"] + 3


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def old_beats_still_leave(dut: Any) -> None:
    """A beat that was stalled longer than ages can tell leaves all the same."""
    bench = Harness(dut)
    source, sink = bench.source(), bench.sink(stall=1.0)
    await bench.start()
    words = random_words(bench.rng, P["Width"], 8)
    source.send_sequence(words)
    for wait in range(5 * P["Latency"] + 7):
        await bench.step(1 + wait % 3)
    sink.stall = 0.0
    await bench.finish({sink: 8}, limit=40 * P["Latency"])
    assert sink.sequences() == [words]


@pytest.mark.parametrize(("latency", "stall"), [(7, 0), (20, 100)])
def test_party_line(latency: int, stall: int) -> None:
    run_bench("party_line", __file__, {"Width": 9, "Latency": latency, "Stall": stall, "Seed": 5})
