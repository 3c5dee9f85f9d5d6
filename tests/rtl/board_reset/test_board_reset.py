# SPDX-License-Identifier: Apache-2.0
"""Bench of board_reset: on at power-up for its cycles, and again for as long as the button is pressed, and after."""

from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.handle import Immediate

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters


async def length(dut: Any, limit: int) -> int:
    """Cycles until the reset is off."""
    for cycle in range(limit):
        await dut.clk.rising_edge
        if not int(dut.rst.value):
            return cycle
    raise AssertionError(f"still in reset after {limit} cycles")


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def resets(dut: Any) -> None:
    cycles = parameters()["Cycles"]
    dut.clk.value, dut.button.value = Immediate(0), Immediate(0)
    Clock(dut.clk, 10, "ns").start()
    assert cycles <= await length(dut, 100) <= cycles + 2
    for _ in range(50):
        await dut.clk.rising_edge
        assert not int(dut.rst.value)
    dut.button.value = 1
    for _ in range(40):
        await dut.clk.rising_edge
    assert int(dut.rst.value)
    dut.button.value = 0
    assert cycles <= await length(dut, 100) <= cycles + 5


def test_board_reset() -> None:
    run_bench("board_reset", __file__, {"Cycles": 15})
