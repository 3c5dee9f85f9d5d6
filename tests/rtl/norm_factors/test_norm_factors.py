# SPDX-License-Identifier: Apache-2.0
"""Bench of norm_factors: from sums to factor, offset and exponent, as the operator's formula has them."""

from typing import Any

import cocotb
import numpy as np
import pytest
from rtl.pipeline_bench import results

from gatewright.ops._rsqrt import rsqrt
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def equals_formula(dut: Any, share: float) -> None:
    p = parameters()
    channels, draw = p["Channels"], np.random.default_rng(0)
    top = 1 << 11
    tokens = draw.integers(-top, top, (200, channels)) >> draw.integers(0, 12, (200, 1))
    tokens[:3] = [[-top] * channels, [0] * channels, [top - 1] * channels]
    epsilon = draw.integers(0, 1 << p["EpsilonWidth"], 200)
    epsilon[:3] = 0
    total, squares = tokens.sum(axis=1), (tokens * tokens).sum(axis=1)
    mean = total if p["Centred"] else np.zeros_like(total)
    r, half = rsqrt(channels * squares - mean * mean + epsilon)
    wanted = np.stack([channels * r, mean * r - (1 << half), half], axis=1).tolist()
    mask = (1 << p["SumWidth"]) - 1
    pins = [
        {"s_sum": int(t) & mask, "s_square": int(q), "s_epsilon": int(e)}
        for t, q, e in zip(total, squares, epsilon, strict=True)
    ]

    def read() -> list[int]:
        return [int(dut.m_factor.value), dut.m_offset.value.to_signed(), int(dut.m_half.value)]

    found, moved = await results(dut, share, pins, len(pins), read)
    assert found == wanted
    if share == 1.0:
        assert moved == len(tokens) + 8


@pytest.mark.parametrize(("channels", "centred"), [(12, 1), (5, 0)])
def test_norm_factors(channels: int, centred: int) -> None:
    spare = (channels - 1).bit_length()
    sizes = {"SumWidth": 12 + spare, "SquareWidth": 23 + spare, "EpsilonWidth": 9}
    wide = {"VarianceWidth": (channels**2 * 4**11 + 511).bit_length(), "OffsetWidth": 12 + spare + 18}
    run_bench("norm_factors", __file__, {"Channels": channels, "Centred": centred, **sizes, **wide})
