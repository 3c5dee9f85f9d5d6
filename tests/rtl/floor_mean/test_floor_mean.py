# SPDX-License-Identifier: Apache-2.0
"""Bench of floor_mean: every sum of a small format, of both signs."""

import random
from typing import Any

import cocotb
from rtl.pipeline_bench import results

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters, seed


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def equals_formula(dut: Any, share: float) -> None:
    p, rng = parameters(), random.Random(seed())
    channels, width = p["Channels"], p["SumWidth"]
    every = range(-(1 << (width - 1)), 1 << (width - 1))
    sums = every if share == 1.0 else rng.sample(every, 200)
    pins = [{"s_sum": s % (1 << width)} for s in sums]

    def read() -> tuple[int, int]:
        return dut.m_mean.value.to_signed(), dut.m_sum.value.to_signed()

    found, moved = await results(dut, share, pins, len(pins), read)
    assert found == [(s // channels, s) for s in sums]
    if share == 1.0:
        assert moved == len(pins) + 2


def test_floor_mean() -> None:
    """A divisor with both an odd part and a power of two."""
    run_bench("floor_mean", __file__, {"Channels": 96, "SumWidth": 13, "MeanWidth": 7})
