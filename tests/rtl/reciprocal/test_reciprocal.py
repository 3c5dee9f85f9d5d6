# SPDX-License-Identifier: Apache-2.0
"""Bench of reciprocal: every mantissa, equal to the Python model whose error is proven; a result stays."""

import random
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock

from gatewright.ops._softmax import EXP_BITS, exponent, reciprocal
from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Pin
from gatewright.sim.streams import parameters, seed

LATENCY = 3


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def every_mantissa(dut: Any) -> None:
    """All totals with one bit before the binary point; all exponents over them, with random low bits."""
    width = parameters()["Width"]
    rng = np.random.default_rng(seed())
    mantissa = np.arange(1 << EXP_BITS, 2 << EXP_BITS, dtype=np.int64)
    totals = [mantissa] if width == 17 else []
    for more in range(1, width - 16):
        some = mantissa if more == width - 17 else rng.choice(mantissa, 2000)
        totals.append((some << more) + rng.integers(0, 1 << more, len(some)))
    total = np.concatenate(totals)
    wanted, over = reciprocal(total).tolist(), (exponent(total) - EXP_BITS).tolist()
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value, dut.enable.value, dut.s_valid.value = 1, 1, 0
    for _ in range(2):
        await dut.clk.rising_edge
    dut.rst.value, dut.s_valid.value = 0, 1
    inward, outward, of_exponent = Pin(dut.s_data), Pin(dut.m_data), Pin(dut.m_exponent)
    for i, value in enumerate(total.tolist() + [1 << EXP_BITS] * LATENCY):
        inward.set(value)
        await dut.clk.rising_edge
        if i >= LATENCY:
            k = i - LATENCY
            assert (outward.get(), of_exponent.get()) == (wanted[k], over[k]), f"S = {total[k]}"


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def stays_until_the_next(dut: Any) -> None:
    rng, width = random.Random(seed()), parameters()["Width"]
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value, dut.enable.value, dut.s_valid.value = 1, 1, 0
    for _ in range(2):
        await dut.clk.rising_edge
    dut.rst.value = 0
    under_way: list[int | None] = [None] * LATENCY
    shown = None
    for _ in range(600):
        total = rng.randrange(1 << EXP_BITS, 1 << width) if rng.random() < 0.4 else None
        enabled = rng.random() < 0.6
        dut.enable.value, dut.s_valid.value = int(enabled), int(total is not None)
        dut.s_data.value = rng.randrange(1 << width) if total is None else total
        await dut.clk.rising_edge
        await dut.clk.falling_edge
        if enabled:
            under_way = [*under_way[1:], total]
            shown = under_way[0] or shown
        assert int(dut.m_valid.value) == (under_way[0] is not None)
        if shown is not None:
            assert int(dut.m_data.value) == int(reciprocal(np.array(shown))), f"S = {shown}"


@pytest.mark.parametrize("width", [17, 21])
def test_reciprocal(width: int) -> None:
    run_bench("reciprocal", __file__, {"Width": width})
