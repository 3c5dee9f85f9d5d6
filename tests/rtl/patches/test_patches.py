# SPDX-License-Identifier: Apache-2.0
"""Bench of patches: padding and window together. (Speed is checked in the benches of the two.)"""

from typing import Any

import cocotb
import pytest
from window_bench import check_pace, check_reset, settings

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Pace, parameters


def shortest() -> int:
    """Fewest tokens of a sequence."""
    p = parameters()
    return max(
        1,
        (p["KernelW"] - 1) * p.get("DilationW", 1) + 1 - p.get("Left", 0) - p.get("Right", 0),
        p.get("Circular", 0) * max(p.get("Left", 0), p.get("Right", 0)),
    )


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    await check_pace(dut, pace, shortest())


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20, 50])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, shortest())


@pytest.mark.parametrize(
    "text",
    [
        "DataWidth=5 Lanes=2 Chunks=3 Height=1 Width=0 KernelH=1 KernelW=3 Left=1 Right=0 PadValue=16",
        "DataWidth=8 Lanes=1 Chunks=2 Height=1 Width=0 KernelH=1 KernelW=2 StrideW=3 DilationW=4"
        " Left=2 Right=2 Circular=1 MaxTokens=22",
        "DataWidth=4 Lanes=2 Chunks=2 Height=5 Width=6 KernelH=3 KernelW=2 StrideH=2 Top=1 Left=2 Bottom=3 Circular=1",
        "DataWidth=8 Lanes=1 Chunks=1 Height=4 Width=3 KernelH=3 KernelW=3 DilationH=2 Top=2 Left=1 Bottom=1 Right=0",
    ],
)
def test_patches(text: str) -> None:
    run_bench("patches", __file__, settings(text))
