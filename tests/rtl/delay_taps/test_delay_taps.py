# SPDX-License-Identifier: Apache-2.0
"""Bench of delay_taps: every tap shows the word that entered so many words before, whatever the pauses."""

import random
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters, random_words, seed


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.6, 0.1])
async def taps_are_old_words(dut: Any, share: float) -> None:
    p, rng = parameters(), random.Random(seed())
    width, taps, depth = p["Width"], p["Taps"], p["Depth"]
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value, dut.enable.value = 1, 0
    for _ in range(2):
        await dut.clk.rising_edge
    dut.rst.value = 0
    history: list[int] = []
    words = random_words(rng, width, 6 * taps * depth + 20)
    checked = 0
    while words:
        enable = rng.random() < share
        dut.enable.value = int(enable)
        dut.s_data.value = words[-1]
        await dut.clk.rising_edge
        if enable:
            history.append(words.pop())
        await dut.clk.falling_edge
        shown = int(dut.m_data.value)
        for tap in range(taps):
            age = (taps - 1 - tap) * depth
            if age < len(history):
                assert shown >> tap * width & (1 << width) - 1 == history[-1 - age], f"tap {tap}"
                checked += 1
    assert checked > 5 * taps * depth


@pytest.mark.parametrize(
    ("width", "taps", "depth"),
    [(8, 1, 5), (3, 2, 1), (8, 4, 3), (5, 3, 4), (1, 2, 7), (40, 3, 16), (8, 5, 2)],
)
def test_delay_taps(width: int, taps: int, depth: int) -> None:
    run_bench("delay_taps", __file__, {"Width": width, "Taps": taps, "Depth": depth})
