# SPDX-License-Identifier: Apache-2.0
"""Bench of average_pool: exact division by 4, the reciprocal of 6 and 3, padding that counts."""

from typing import Any

import cocotb
import pytest
from operator_bench import Case, check_cycles, check_pace, check_reset, run_case

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.average_pool import AveragePool
from gatewright.sim.streams import PACES, Pace

S8, U4, S5 = Fixed(8, 4), Fixed(4, 1, signed=False), Fixed(5, 0)
N = Length("n", 19)

CASES = {
    "halve": Case(AveragePool((2, 2), (2, 2), (0, 0), 0, S8, 6, 8), TensorType(48, 6, S8), Folding(lanes=3)),
    "six": Case(AveragePool((3, 2), (1, 2), (1, 1), -2, Fixed(9, 6), 5, 4), TensorType(20, 2, S8), Folding(lanes=1)),
    "sequence": Case(AveragePool((3,), (2,), (1, 2), 1, Fixed(3, 0, signed=False)), TensorType(N, 4, U4),
                     Folding(lanes=2)),
    "saturates": Case(AveragePool((1,), (1,), (0,), -3, Fixed(4, 3)), TensorType(N, 3, S5), Folding(lanes=3)),
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
def test_average_pool(name: str) -> None:
    # run_bench(..) with the parameters of `Op.rtl`
    run_case(__file__, CASES, name)
