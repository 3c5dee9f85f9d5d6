# SPDX-License-Identifier: Apache-2.0
"""Bench of global_pool: one token per sequence, of fixed and of run-time length."""

from typing import Any

import cocotb
import pytest
from operator_bench import Case, check_cycles, check_pace, check_reset, run_case

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.global_pool import GlobalPool, Kind
from gatewright.sim.streams import PACES, Pace

S8, U4 = Fixed(8, 4), Fixed(4, 1, signed=False)
N = Length("n", 19)

CASES = {
    "max": Case(GlobalPool(Kind.MAX, 19, 0, S8), TensorType(N, 6, S8), Folding(lanes=2)),
    "max_unsigned": Case(GlobalPool(Kind.MAX, 19, 0, U4), TensorType(N, 3, U4), Folding(lanes=3)),
    "mean": Case(GlobalPool(Kind.AVERAGE, 19, 0, S8), TensorType(N, 6, S8), Folding(lanes=1)),
    "image": Case(GlobalPool(Kind.AVERAGE, 49, 2, Fixed(7, -1)), TensorType(49, 4, Fixed(9, 1)), Folding(lanes=4)),
    "single": Case(GlobalPool(Kind.AVERAGE, 1, -2, S8), TensorType(1, 4, Fixed(7, 2, signed=False)), Folding(lanes=2)),
}


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def equals_golden(dut: Any, pace: Pace) -> None:
    await check_pace(dut, CASES, pace)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 5, 18, 77])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, CASES, cycles)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def takes_the_predicted_cycles(dut: Any) -> None:
    await check_cycles(dut, CASES)


@pytest.mark.parametrize("name", CASES)
def test_global_pool(name: str) -> None:
    # run_bench(..) with the parameters of `Op.rtl`
    run_case(__file__, CASES, name)
