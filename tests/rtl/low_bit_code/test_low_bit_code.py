# SPDX-License-Identifier: Apache-2.0
"""Bench of low_bit_code: bit planes of the codes, one register behind; an invalid beat changes nothing."""

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.clock import Clock
from rtl.attention_bench import planes, thresholds, vectors, word

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters, seed


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def equals_code(dut: Any) -> None:
    p, rng = parameters(), np.random.default_rng(seed())
    lanes, width, bits, limit = p["Lanes"], p["Width"], p["Bits"], p["LimitWidth"]
    Clock(dut.clk, 10, "ns").start()
    dut.rst.value, dut.enable.value, dut.s_valid.value = 1, 1, 0
    for _ in range(2):
        await dut.clk.rising_edge
    dut.rst.value = 0
    wanted, valid = None, 0
    for step in range(1500):
        x, limits = vectors(rng, width, (lanes,)), thresholds(rng, width, bits)
        if step % 50 == 0 and limits:
            # The most negative value reaches its own magnitude, and no value reaches one more.
            x[0], limit_of_all = -(1 << width - 1), (1 << width - 1) + step // 50 % 2
            limits = [*(min(t, limit_of_all) for t in limits[:-1]), limit_of_all]
        offered, enabled = bool(rng.random() < 0.7), bool(rng.random() < 0.7)
        dut.s_data.value, dut.s_limits.value = word(x, width), word(limits, limit)
        dut.s_valid.value, dut.enable.value = int(offered), int(enabled)
        await dut.clk.rising_edge
        await dut.clk.falling_edge
        if enabled:
            wanted, valid = planes(x, limits, bits) if offered else wanted, int(offered)
        assert int(dut.m_valid.value) == valid
        if wanted is not None:
            assert int(dut.m_data.value) == wanted, f"{x} with {limits}"


@pytest.mark.parametrize(("bits", "width", "limit"), [(1, 8, 8), (2, 5, 5), (3, 8, 9), (4, 3, 3)])
def test_low_bit_code(bits: int, width: int, limit: int) -> None:
    run_bench("low_bit_code", __file__, {"Lanes": 3, "Width": width, "Bits": bits, "LimitWidth": limit})
