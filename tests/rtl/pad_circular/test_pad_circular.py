# SPDX-License-Identifier: Apache-2.0
"""Bench of pad_circular: images and sequences continue periodically, one beat per cycle."""

from typing import Any

import cocotb
import pytest
from window_bench import check_pace, check_reset, check_throughput, settings

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Pace, parameters


def shortest() -> int:
    """Fewest tokens of a sequence."""
    p = parameters()
    return max(p["Left"], p["Right"])


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
    await check_throughput(dut, True, shortest())


@pytest.mark.parametrize(
    "text",
    [
        "BeatWidth=9 Chunks=3 Height=1 Width=0 Left=2 Right=1 MaxTokens=21",
        "BeatWidth=8 Chunks=1 Height=1 Width=0 Left=1 Right=0 MaxTokens=25",
        "BeatWidth=4 Chunks=2 Height=3 Width=4 Top=3 Left=4 Bottom=1 Right=2",
        "BeatWidth=8 Chunks=1 Height=1 Width=1 Top=1 Left=0 Bottom=1 Right=0",
    ],
)
def test_pad_circular(text: str) -> None:
    run_bench("pad_circular", __file__, settings(text))
