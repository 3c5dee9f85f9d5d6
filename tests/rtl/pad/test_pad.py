# SPDX-License-Identifier: Apache-2.0
"""Bench of pad: constant tokens around images and sequences, one beat per cycle."""

from typing import Any

import cocotb
import pytest
from window_bench import check_pace, check_reset, check_throughput, settings

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Pace


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    await check_pace(dut, pace)


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20, 50])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles)


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def full_throughput(dut: Any) -> None:
    await check_throughput(dut, True)


@pytest.mark.parametrize(
    "text",
    [
        "DataWidth=5 Lanes=2 Chunks=3 Height=1 Width=0 Left=2 Right=1 PadValue=16",
        "DataWidth=8 Lanes=1 Chunks=1 Height=1 Width=0 Left=0 Right=3",
        "DataWidth=4 Lanes=1 Chunks=2 Height=3 Width=4 Top=1 Left=2 Bottom=2 Right=1 PadValue=8",
        "DataWidth=8 Lanes=3 Chunks=1 Height=1 Width=1 Top=0 Left=0 Bottom=3 Right=0",
        "DataWidth=8 Lanes=1 Chunks=1 Height=2 Width=3 Left=0 Right=0",
        "DataWidth=8 Lanes=1 Chunks=2 Height=2 Width=3 Top=1 Left=1 Right=2 Circular=1",
    ],
)
def test_pad(text: str) -> None:
    run_bench("pad", __file__, settings(text))
