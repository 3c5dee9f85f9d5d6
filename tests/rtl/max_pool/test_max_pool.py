# SPDX-License-Identifier: Apache-2.0
"""Bench of max_pool: padding never wins, over images and sequences, in the predicted cycles."""

from typing import Any

import cocotb
import pytest
from operator_bench import Case, check_cycles, check_pace, check_reset, run_case

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.max_pool import MaxPool
from gatewright.sim.streams import PACES, Pace

S8, U4, S5 = Fixed(8, 4), Fixed(4, 1, signed=False), Fixed(5, 0)
N = Length("n", 19)

CASES = {
    "halve": Case(MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 6, 8), TensorType(48, 6, S8), Folding(lanes=3)),
    "overlap": Case(MaxPool((3, 2), (1, 2), (1, 0, 1, 1), (1, 1), 5, 4), TensorType(20, 2, S5), Folding(lanes=1)),
    "sequence": Case(MaxPool((3,), (2,), (1,), (1,)), TensorType(N, 4, S8), Folding(lanes=2)),
    "unsigned": Case(MaxPool((2,), (1,), (0, 1), (1,)), TensorType(N, 3, U4), Folding(lanes=3)),
    "single_bit": Case(MaxPool((5, 1), (1, 1), (2, 0), (1, 1), 4, 1), TensorType(4, 1, Fixed(1, 0)), Folding(lanes=1)),
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
def test_max_pool(name: str) -> None:
    # run_bench(..) with the parameters of `Op.rtl`
    run_case(__file__, CASES, name)
