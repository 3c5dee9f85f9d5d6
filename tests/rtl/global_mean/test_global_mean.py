# SPDX-License-Identifier: Apache-2.0
"""Bench of global_mean: sums to means by reciprocals of every count, two enabled cycles later."""

import random
from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock

from gatewright.fixed import Fixed, requantize
from gatewright.ops._reciprocal import fraction_bits, reciprocal
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters, seed


def mean(total: int, count: int) -> int:
    """Reference: the formula of `GlobalPool`."""
    p = parameters()
    product = np.array([total * reciprocal(count, p["Fraction"])], np.int64)
    form = Fixed(p["OutWidth"], 0, bool(p["OutSigned"]))
    return int(requantize(product, p["Fraction"] + p["Shift"], form)[0]) % (1 << p["OutWidth"])


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def equals_formula(dut: Any, share: float) -> None:
    p, rng = parameters(), random.Random(seed())
    lanes, width, most = p["Lanes"], p["SumWidth"], p["MaxTokens"]
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value, dut.enable.value, dut.s_valid.value, dut.s_last.value = 1, 1, 0, 0
    for _ in range(2):
        await dut.clk.rising_edge
    dut.rst.value = 0
    counts = [p["Tokens"]] * 80 if p["Tokens"] else [*range(1, most + 1), *(rng.randint(1, most) for _ in range(40))]
    bound = (1 << width - 1) // most
    cases = [
        (
            n,
            [
                rng.choice((-bound * n, (bound - 1) * n, rng.randint(-bound, bound - 1) * n + rng.randrange(n)))
                for _ in range(lanes)
            ],
        )
        for n in counts
    ]
    # The count comes one enabled cycle before its sums; results two enabled cycles after the sums' own.
    steps = [(None, None), *cases]
    wanted: list[int | None] = []
    for index in range(len(cases) + 3):
        present = steps[index] if 0 < index <= len(cases) else (None, None)
        dut.count.value = cases[index][0] if index < len(cases) else rng.randint(0, most)
        total = present[1] or [0] * lanes
        dut.s_data.value = sum((t % (1 << width)) << i * width for i, t in enumerate(total))
        dut.s_valid.value = int(present[1] is not None)
        dut.s_last.value = index % 3 == 0
        while True:
            dut.enable.value = int(enabled := rng.random() < share)
            await dut.clk.rising_edge
            if enabled:
                break
        await dut.clk.falling_edge
        wanted.append(
            None if present[0] is None else sum(mean(t, present[0]) << i * p["OutWidth"] for i, t in enumerate(total))
        )
        assert int(dut.m_valid.value) == (wanted[-1] is not None)
        if wanted[-1] is not None:
            assert int(dut.m_data.value) == wanted[-1], f"{present}"
            assert int(dut.m_last.value) == (index % 3 == 0)
    assert sum(w is not None for w in wanted) == len(cases)


def build(lanes: int, tokens: int, most: int, sum_width: int, shift: int, out: Fixed) -> dict[str, int]:
    return {
        "Lanes": lanes,
        "Tokens": tokens,
        "MaxTokens": most,
        "SumWidth": sum_width,
        "Fraction": fraction_bits(most),
        "Shift": shift,
        "OutWidth": out.width,
        "OutSigned": int(out.signed),
    }


@pytest.mark.parametrize(
    "parameters",
    [
        build(2, 0, 37, 15, 0, Fixed(8, 0)),
        build(1, 49, 49, 15, 2, Fixed(5, 0)),
        build(1, 0, 1, 9, -2, Fixed(8, 0)),
        build(1, 0, 37, 15, -8, Fixed(20, 0)),
        build(3, 0, 200, 25, 3, Fixed(12, 0, signed=False)),
    ],
)
def test_global_mean(parameters: dict[str, int]) -> None:
    run_bench("global_mean", __file__, parameters)
