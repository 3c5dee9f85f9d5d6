# SPDX-License-Identifier: Apache-2.0
"""Bench of rsqrt: every chord, the ends of every power of two and random numbers, four enabled cycles later."""

from typing import Any

import cocotb
import numpy as np
import pytest

from gatewright.ops._rsqrt import rsqrt
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.6])
async def equals_formula(dut: Any, share: float) -> None:
    width = parameters()["Width"]
    bench = Harness(dut)
    dut.enable.value, dut.s_valid.value = 1, 0
    await bench.start()
    ends = [v for b in range(width + 1) for v in ((1 << b) - 1, 1 << b, (1 << b) + 1)]
    chords = [
        ((128 + j) << 14 | rest) << o >> max(0, 23 - width) for j in range(128) for o in (0, 1) for rest in (0, 16383)
    ]
    values = [v for v in (*ends, *chords, *(bench.rng.getrandbits(width) for _ in range(300))) if v < 1 << width]
    r, half = (list(map(int, part)) for part in rsqrt(np.array(values, np.int64)))
    results: list[tuple[int, int, int]] = []
    sent = moved = 0
    while len(results) < len(values):
        enable, offer = bench.rng.random() < share, sent < len(values) and bench.rng.random() < share
        dut.enable.value, dut.s_valid.value = enable, offer
        if offer:
            dut.s_data.value, dut.s_user.value = values[sent], sent % 2
        await bench.step()
        if enable:
            moved, sent = moved + 1, sent + offer
            if dut.m_valid.value:
                results.append((int(dut.m_data.value), int(dut.m_half.value), int(dut.m_user.value)))
        assert moved < 10 * len(values), "nothing comes out"
    assert results == [(a, b, i % 2) for i, (a, b) in enumerate(zip(r, half, strict=True))]
    if share == 1.0:
        assert moved == len(values) + 4


@pytest.mark.parametrize("width", [1, 11, 49])
def test_rsqrt(width: int) -> None:
    run_bench("rsqrt", __file__, {"Width": width})
