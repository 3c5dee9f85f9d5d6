# SPDX-License-Identifier: Apache-2.0
"""Bench of conv1d: sequences of any length equal golden, in the predicted cycles."""

from typing import Any

import cocotb
import numpy as np
import pytest
from operator_bench import Case, check_cycles, check_pace, check_reset, run_case

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.conv1d import Conv1d
from gatewright.sim.streams import PACES, Pace

S8, U4 = Fixed(8, 4), Fixed(4, 1, signed=False)
N = Length("n", 19)

def weights(outs: int, *shape: int, x: Fixed = S8, width: int = 8, output: Fixed = S8) -> dict[str, Any]:
    """Random constants whose sums use the range of the output."""
    rng = np.random.default_rng(outs + sum(shape))
    top = 1 << (width - 1)
    spread = max(0, x.width + width - output.width)
    return {
        "weight": rng.integers(-top, top, (outs, *shape), dtype=np.int64),
        "bias": rng.integers(-top, top, outs, dtype=np.int64) << (x.width // 2),
        "shift": rng.integers(spread, spread + 3, outs, dtype=np.int64), "weight_width": width, "output": output,
    }


CASES = {
    "same": Case(Conv1d(**weights(4, 3, 3), padding=(1,)), TensorType(N, 3, S8), Folding(lanes=3, simd=9, pe=4), 0.06),
    # the final position is known only after the sequence has ended
    "strided": Case(Conv1d(**weights(2, 4, 2, x=U4), stride=(3,), dilation=(2,)),
                    TensorType(Length("n", 23, 3), 4, U4), Folding(lanes=2, simd=4, pe=1), 0.06),
    "causal_groups": Case(Conv1d(**weights(4, 2, 3, width=3), groups=2, padding=(4, 0), dilation=(2,)),
                          TensorType(N, 4, S8), Folding(lanes=1, simd=6, pe=2), 0.06),
    "circular": Case(Conv1d(**weights(3, 2, 4), padding=(2, 1), stride=(2,), circular=True),
                     TensorType(Length("n", 17, 2), 2, S8), Folding(lanes=1, simd=4, pe=3), 0.06),
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
def test_conv1d(name: str) -> None:
    # run_bench(..) with the parameters of `Op.rtl`
    run_case(__file__, CASES, name)
