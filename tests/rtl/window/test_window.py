# SPDX-License-Identifier: Apache-2.0
"""Bench of window: all taps of every position on the stride grid, a beat taken in every cycle."""

from typing import Any

import cocotb
import pytest
from window_bench import check_pace, check_reset, check_throughput, settings

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Pace, parameters


def shortest() -> int:
    """Fewest tokens of a sequence."""
    p = parameters()
    return (p["KernelW"] - 1) * p.get("DilationW", 1) + 1


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    await check_pace(dut, pace, shortest())


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20, 50])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, shortest())


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def full_throughput(dut: Any) -> None:
    await check_throughput(dut, False, shortest())


@pytest.mark.parametrize(
    "text",
    [
        "DataWidth=5 Lanes=2 Chunks=3 Height=1 Width=0 KernelH=1 KernelW=3",
        "DataWidth=8 Lanes=1 Chunks=2 Height=1 Width=0 KernelH=1 KernelW=2 StrideW=3 DilationW=2",
        "DataWidth=8 Lanes=1 Chunks=1 Height=1 Width=0 KernelH=1 KernelW=1 StrideW=2",
        "DataWidth=4 Lanes=2 Chunks=2 Height=5 Width=6 KernelH=3 KernelW=2 StrideH=2 StrideW=3 DilationW=2",
        "DataWidth=8 Lanes=1 Chunks=1 Height=7 Width=1 KernelH=3 KernelW=1 DilationH=3",
        "DataWidth=1 Lanes=1 Chunks=1 Height=2 Width=7 KernelH=2 KernelW=5",
    ],
)
def test_window(text: str) -> None:
    run_bench("window", __file__, settings(text))
