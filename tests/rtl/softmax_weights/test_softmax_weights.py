# SPDX-License-Identifier: Apache-2.0
"""Bench of softmax_weights: rows of scores to weights, equal to the Python model; rows of k scores take k cycles."""

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


def send(bench: Harness, source: Source, rows: int) -> list[Beat]:
    """Queue random rows; the beats to expect. One row in ten is empty."""
    p, rng = parameters(), np.random.default_rng(bench.seed)
    width, top = p["ScoreWidth"], p["Top"]
    expected = []
    for _ in range(rows):
        empty = int(rng.random() < 0.1)
        count = 1 if empty else int(rng.choice([1, 2, top, rng.integers(1, top + 1)]))
        # Rows of close scores, so that not all but one weight vanish; sometimes of any.
        scores = vectors(rng, width, (count,))
        if rng.random() < 0.6:
            scores = int(scores[0]) // 2 + rng.integers(0, 1 << max(1, width // 2), count)
        scale = int(rng.integers(1 << p["ScaleWidth"] - 1, 1 << p["ScaleWidth"]))
        extra = int(rng.integers(1 << p["ShiftBits"]))
        users = rng.integers(1 << p["UserWidth"], size=count).tolist()
        weights = exp2(octaves(scores.max() - scores, scale, p["ShiftMin"] + extra)) * (1 - empty)
        for i, (score, user, weight) in enumerate(zip(scores.tolist(), users, weights.tolist(), strict=True)):
            last = int(i == count - 1)
            # Scale and shift are looked at with the final score only.
            factors = (scale, extra) if last else (0, 0)
            source.send([(word(score, width), empty, user, *factors, last)])
            expected.append((weight, user, last))
    return expected


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def exact(dut: Any, pace: Pace) -> None:
    source, sink = await check_results(dut, pace, ports, send, 200, limit=30_000)
    assert {e for e, _, _ in sink.beats} > {0, 1 << 16}
    assert pace.idle or pace.stall or pace.patient or sink.cycles[-1] - source.taken[-1] <= parameters()["Top"] + 8


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(count=[1, 2, 5])
async def pace_is_exact(dut: Any, count: int) -> None:
    """Rows of equal length come without a gap."""
    bench, source, sink = ports(dut, PACES[0])
    await bench.start()
    source.send([(i, 0, 0, 1, 0, int(i % count == count - 1)) for i in range(20 * count)])
    await bench.finish({sink: 20 * count}, limit=1000)
    assert sink.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 10, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, ports, send, limit=1000)


@pytest.mark.parametrize(
    ("score", "scale", "shift", "bits"), [(21, 16, 12, 3), (9, 5, 1, 0)], ids=["eight_bit_values", "narrow"]
)
def test_softmax_weights(score: int, scale: int, shift: int, bits: int) -> None:
    run_bench(
        "softmax_weights",
        __file__,
        {"Top": 6, "ScoreWidth": score, "ScaleWidth": scale, "ShiftMin": shift, "ShiftBits": bits, "UserWidth": 4},
    )
