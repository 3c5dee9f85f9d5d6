# SPDX-License-Identifier: Apache-2.0
"""Bench of softmax_weights: rows of scores to weights, also side by side, equal to the Python model, at the pace."""

from typing import Any

import cocotb
import numpy as np
import pytest
from rtl.attention_bench import vectors, word
from rtl.stream_bench import check_reset, check_results

from gatewright.ops._softmax import exp2, octaves
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    bench = Harness(dut)
    return (
        bench,
        bench.source("s", pace.idle, ("data", "empty", "user", "scale", "shift", "last")),
        bench.sink("m", pace.stall, pace.patient, ("data", "user", "last")),
    )


def send(bench: Harness, source: Source, groups: int) -> list[Beat]:
    """Queue random groups of rows; the beats to expect. One group in ten is empty."""
    p, rng = parameters(), np.random.default_rng(bench.seed)
    width, top, rows = p["ScoreWidth"], p["Top"], p["Rows"]
    expected = []
    for _ in range(groups):
        empty = int(rng.random() < 0.1)
        count = 1 if empty else int(rng.choice([1, 2, top, rng.integers(1, top + 1)]))
        # Rows of close scores, so that not all but one weight vanish; sometimes of any.
        scores = vectors(rng, width, (count, rows))
        if rng.random() < 0.6:
            scores = scores[0] // 2 + rng.integers(0, 1 << max(1, width // 2), (count, rows))
        scale = int(rng.integers(1 << p["ScaleWidth"] - 1, 1 << p["ScaleWidth"]))
        extra = int(rng.integers(1 << p["ShiftBits"]))
        users = rng.integers(1 << p["UserWidth"], size=(count, rows))
        weights = exp2(octaves(scores.max(axis=0) - scores, scale, p["ShiftMin"] + extra)) * (1 - empty)
        final = count * rows - 1
        for i, (score, user) in enumerate(zip(scores.flat, users.flat, strict=True)):
            # Scale and shift are looked at with the final score only.
            factors = (scale, extra) if i == final else (0, 0)
            source.send([(word(int(score), width), empty, int(user), *factors, int(i == final))])
        for row in range(rows):
            lasts = [0] * (count - 1) + [1]
            expected += list(zip(weights[:, row].tolist(), users[:, row].tolist(), lasts, strict=True)) * p["Times"]
    return expected


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def exact(dut: Any, pace: Pace) -> None:
    source, sink = await check_results(dut, pace, ports, send, 200, limit=60_000)
    assert {e for e, _, _ in sink.beats} > {0, 1 << 16}
    p = parameters()
    most = p["Top"] * p["Rows"] * p["Times"]
    assert pace.idle or pace.stall or pace.patient or sink.cycles[-1] - source.taken[-1] <= 2 * most + 8


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(count=[1, 2, 5])
async def pace_is_exact(dut: Any, count: int) -> None:
    """Rows of equal length come without a gap."""
    bench, source, sink = ports(dut, PACES[0])
    await bench.start()
    scores = count * parameters()["Rows"]
    source.send([(i, 0, 0, 1, 0, int(i % scores == scores - 1)) for i in range(20 * scores)])
    await bench.finish({sink: 20 * scores * parameters()["Times"]}, limit=1000)
    assert sink.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 10, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, ports, send, limit=1000)


CASES = {
    "eight_bit_values": (21, 16, 12, 3, 1, 1),
    "narrow": (9, 5, 1, 0, 3, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_softmax_weights(name: str) -> None:
    names = ("ScoreWidth", "ScaleWidth", "ShiftMin", "ShiftBits", "Rows", "Times")
    given = dict(zip(names, CASES[name], strict=True))
    run_bench("softmax_weights", __file__, {"Top": 6, "UserWidth": 4} | given)
