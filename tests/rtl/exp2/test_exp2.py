# SPDX-License-Identifier: Apache-2.0
"""Bench of exp2: every input, equal to the Python model whose error is proven, three enabled cycles later."""

import random
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock

from gatewright.ops._softmax import U_MAX, exp2
from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Pin
from gatewright.sim.streams import seed

LATENCY = 3


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def every_input(dut: Any) -> None:
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value, dut.enable.value, dut.s_valid.value, dut.s_user.value = 1, 1, 0, 0
    for _ in range(2):
        await dut.clk.rising_edge
    dut.rst.value, dut.s_valid.value = 0, 1
    wanted = exp2(np.arange(U_MAX + 1)).tolist()
    inward, outward = Pin(dut.s_data), Pin(dut.m_data)
    for u in range(U_MAX + 1 + LATENCY):
        inward.set(min(u, U_MAX))
        await dut.clk.rising_edge
        if u >= LATENCY:
            # Just before the edge the result of the input LATENCY edges ago is there.
            assert outward.get() == wanted[u - LATENCY], f"u = {u - LATENCY}"


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def moves_with_enable(dut: Any) -> None:
    """Stalls keep results, side band and validity; reset forgets what is under way."""
    rng = random.Random(seed())
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value, dut.enable.value, dut.s_valid.value = 1, 1, 0
    for _ in range(2):
        await dut.clk.rising_edge
    dut.rst.value = 0
    under_way: list[tuple[int, int] | None] = [None] * LATENCY
    for step in range(600):
        beat = (rng.randrange(U_MAX + 1), rng.getrandbits(4)) if rng.random() < 0.6 else None
        enabled, reset = rng.random() < 0.6, step % 97 == 50
        dut.enable.value, dut.rst.value, dut.s_valid.value = int(enabled), int(reset), int(beat is not None)
        dut.s_data.value, dut.s_user.value = beat or (rng.randrange(U_MAX + 1), 0)
        await dut.clk.rising_edge
        await dut.clk.falling_edge
        if enabled:
            under_way = [*under_way[1:], beat]
        if reset:
            under_way = [None] * LATENCY
        result = under_way[0]
        assert int(dut.m_valid.value) == (result is not None)
        if result is not None:
            assert (int(dut.m_data.value), int(dut.m_user.value)) == (int(exp2(np.array(result[0]))), result[1])


def test_exp2() -> None:
    run_bench("exp2", __file__, {"UserWidth": 4})
