# SPDX-License-Identifier: Apache-2.0
"""Bench of weighted_mean: sums, reciprocal and rounding equal to the Python model; exact pace."""

from typing import Any

import cocotb
import numpy as np
import pytest
from rtl.attention_bench import vectors, word
from rtl.stream_bench import check_reset, check_results

from gatewright.fixed import Fixed, Ints, requantize
from gatewright.ops import _softmax as softmax
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    bench = Harness(dut)
    return (
        bench,
        bench.source("s", pace.idle, ("data", "weight", "shift", "final", "last")),
        bench.sink("m", pace.stall, pace.patient),
    )


def mean(rows: Ints, weights: Ints, shift: int) -> int:
    """The beat to expect: all channels of the mean."""
    p = parameters()
    form, total = Fixed(p["OutWidth"], 0, bool(p["OutSigned"])), weights.sum()
    if total == 0:
        return 0
    cut = softmax.EXP_BITS + softmax.exponent(total) + shift
    return word(requantize((weights[:, None] * rows).sum(axis=0) * softmax.reciprocal(total), cut, form), form.width)


def queue(source: Source, rows: Ints, weights: Ints, extra: int, final: int) -> Beat:
    """Send one mean; the beat to expect."""
    p = parameters()
    for i, (row, weight) in enumerate(zip(rows, weights.tolist(), strict=True)):
        last = i == len(rows) - 1
        # Shift and final are looked at with the final row only.
        side = (extra, final, 1) if last else (0, 0, 0)
        source.send([(word(row, p["ValueWidth"]), weight, *side)])
    return mean(rows, weights, p["ShiftMin"] + extra), final


def send(bench: Harness, source: Source, means: int) -> list[Beat]:
    """Queue random means of 1 to Top rows; one in ten has no weight at all."""
    p, rng = parameters(), np.random.default_rng(bench.seed)
    expected = []
    for _ in range(means):
        count = int(rng.choice([1, p["Top"], rng.integers(1, p["Top"] + 1)]))
        rows = vectors(rng, p["ValueWidth"], (count, p["Dim"]))
        weights = rng.integers(0, (1 << 16) + 1, count) >> rng.integers(0, 17, count)
        weights[rng.integers(count)] = 1 << 16
        if rng.random() < 0.2:
            weights[:] = 1 << 16
        elif rng.random() < 0.1:
            weights[:] = 0
        extra, final = int(rng.integers(1 << p["ShiftBits"])), int(rng.integers(2))
        expected.append(queue(source, rows, weights, extra, final))
    return expected


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def exact(dut: Any, pace: Pace) -> None:
    await check_results(dut, pace, ports, send, 120, limit=60_000)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(count=[1, 2, 5])
async def pace_is_exact(dut: Any, count: int) -> None:
    """Means follow each other in max(rows, Dim / NormLanes) cycles."""
    bench, source, sink = ports(dut, PACES[0])
    p = parameters()
    count = min(count, p["Top"])
    await bench.start()
    rows = np.arange(count * p["Dim"]).reshape(count, -1) % 3
    expected = [queue(source, rows, np.full(count, 1 << 16), 0, 0) for _ in range(20)]
    await bench.finish({sink: 20}, limit=1000)
    assert sink.beats == expected
    assert set(np.diff(sink.cycles)) == {max(count, p["Dim"] // p["NormLanes"])}


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 10, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, ports, send, limit=1000)


@pytest.mark.parametrize(
    "changes",
    [
        {"Dim": 4, "NormLanes": 2, "Top": 5, "ShiftMin": -1, "ShiftBits": 2, "OutWidth": 9},
        {"Dim": 6, "NormLanes": 1, "Top": 30, "ShiftMin": 3, "ShiftBits": 0, "OutWidth": 6, "OutSigned": 0},
        {"Dim": 3, "NormLanes": 3, "Top": 1, "ShiftMin": -12, "ShiftBits": 1, "OutWidth": 16},
    ],
    ids=["lanes", "serial_unsigned", "one_key_left"],
)
def test_weighted_mean(changes: dict[str, int]) -> None:
    run_bench("weighted_mean", __file__, {"ValueWidth": 8, "OutSigned": 1} | changes)
