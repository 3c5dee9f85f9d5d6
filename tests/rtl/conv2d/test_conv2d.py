# SPDX-License-Identifier: Apache-2.0
"""Bench of conv2d: padding, stride, dilation, groups and foldings equal golden, in the predicted cycles."""

from typing import Any

import cocotb
import numpy as np
import pytest
from operator_bench import Case, check_cycles, check_pace, check_reset, run_case

from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.ops.conv2d import Conv2d
from gatewright.sim.streams import PACES, Pace

S8, U4, S5 = Fixed(8, 4), Fixed(4, 1, signed=False), Fixed(5, 0)


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
    # LeNet-like, more cycles in the matrix unit than in the window
    "plain": Case(Conv2d(**weights(4, 2, 3, 3), height=6, width=7), TensorType(42, 2, S8),
                  Folding(lanes=2, simd=18, pe=2), 0.06),
    # unequal everything, circular, several window chunks per matrix beat
    "circular": Case(Conv2d(**weights(3, 4, 2, 3, x=U4), height=5, width=6, stride=(2, 1), padding=(1, 2),
                            dilation=(2, 2), circular=True), TensorType(30, 4, U4),
                     Folding(lanes=1, simd=12, pe=3), 0.06),
    "depthwise": Case(Conv2d(**weights(6, 1, 3, 3, width=4), height=5, width=5, groups=6, padding=(0, 1, 2, 1)),
                      TensorType(25, 6, S8), Folding(lanes=1, simd=3, pe=1), 0.06),
    # one pixel, whose kernel is mostly padding; two positions share the weights
    "strided": Case(Conv2d(**weights(4, 2, 5, 4, width=1, output=S5), height=3, width=4, stride=(3, 2),
                           padding=(3, 3)), TensorType(12, 2, S8), Folding(lanes=1, simd=10, pe=1, tokens=2), 0.06),
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
def test_conv2d(name: str) -> None:
    # run_bench(..) with the parameters of `Op.rtl`
    run_case(__file__, CASES, name)
