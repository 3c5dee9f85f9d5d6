# SPDX-License-Identifier: Apache-2.0
"""Bench of norm_factors: from sums to factor, offset and exponent, as the operator's formula has them."""

from typing import Any

import cocotb
import numpy as np
import pytest

from gatewright.ops._rsqrt import rsqrt
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def equals_formula(dut: Any, share: float) -> None:
    p = parameters()
    channels, draw = p["Channels"], np.random.default_rng(0)
    bench = Harness(dut)
    dut.enable.value, dut.s_valid.value = 1, 0
    await bench.start()
    top = 1 << 11
    tokens = draw.integers(-top, top, (200, channels)) >> draw.integers(0, 12, (200, 1))
    tokens[:3] = [[-top] * channels, [0] * channels, [top - 1] * channels]
    epsilon = draw.integers(0, 1 << p["EpsilonWidth"], 200)
    epsilon[:3] = 0
    total, squares = tokens.sum(axis=1), (tokens * tokens).sum(axis=1)
    mean = total if p["Centred"] else np.zeros_like(total)
    r, half = rsqrt(channels * squares - mean * mean + epsilon)
    wanted = np.stack([channels * r, mean * r - (1 << half), half], axis=1).tolist()
    results: list[list[int]] = []
    sent = moved = 0
    while len(results) < len(tokens):
        enable, offer = bench.rng.random() < share, sent < len(tokens) and bench.rng.random() < share
        dut.enable.value, dut.s_valid.value = enable, offer
        if offer:
            dut.s_sum.value = int(total[sent]) & ((1 << p["SumWidth"]) - 1)
            dut.s_square.value, dut.s_epsilon.value = int(squares[sent]), int(epsilon[sent])
        await bench.step()
        if enable:
            moved, sent = moved + 1, sent + offer
            if dut.m_valid.value:
                found = int(dut.m_factor.value), int(dut.m_offset.value.to_signed()), int(dut.m_half.value)
                results.append(list(found))
        assert moved < 20 * len(tokens), "nothing comes out"
    assert results == wanted
    if share == 1.0:
        assert moved == len(tokens) + 8


@pytest.mark.parametrize(("channels", "centred"), [(12, 1), (5, 0)])
def test_norm_factors(channels: int, centred: int) -> None:
    spare = (channels - 1).bit_length()
    sizes = {"SumWidth": 12 + spare, "SquareWidth": 23 + spare, "EpsilonWidth": 9}
    wide = {"VarianceWidth": (channels**2 * 4**11 + 511).bit_length(), "OffsetWidth": 12 + spare + 18}
    run_bench("norm_factors", __file__, {"Channels": channels, "Centred": centred, **sizes, **wide})
