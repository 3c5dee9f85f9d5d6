# SPDX-License-Identifier: Apache-2.0
"""Bench of round_saturate: every input of small formats, extremes of wide ones; equal to `requantize`."""

from typing import Any

import cocotb
import numpy as np
import pytest
from cocotb.triggers import Timer

from gatewright.fixed import Fixed, requantize
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def equals_requantize(dut: Any) -> None:
    p = parameters()
    x, y = Fixed(p["InWidth"], 0, bool(p["InSigned"])), Fixed(p["OutWidth"], 0, bool(p["OutSigned"]))
    if x.width <= 10:
        values = np.arange(x.lo, x.hi + 1, dtype=np.int64)
    else:
        edges = [v + d for v in (x.lo, 0, x.hi) for d in range(-40, 41)]
        # Halves, and the borders of saturation, before the shift.
        edges += [(v << max(p["Shift"], 0)) + d for v in (y.lo, y.hi, 1, -1) for d in range(-40, 41)]
        edges += [(1 << max(p["Shift"] - 1, 0)) + d for d in range(-3, 4)]
        values = np.array(sorted({v for v in edges if x.lo <= v <= x.hi}), np.int64)
    assert len(values) > 1
    for value, want in zip(values.tolist(), requantize(values, p["Shift"], y).tolist(), strict=True):
        dut.x.value = value & (1 << x.width) - 1
        await Timer(1, "ns")
        got = int(dut.y.value)
        assert got == want & (1 << y.width) - 1, f"{value}: {got}, expected {want}"


@pytest.mark.parametrize(
    ("width", "signed", "shift", "out_width", "out_signed"),
    [
        (10, 1, 4, 4, 1),
        (10, 0, 1, 6, 1),
        (8, 1, 0, 9, 0),
        (6, 1, -3, 8, 1),
        (4, 1, 9, 3, 1),
        (30, 1, 7, 16, 0),
        (1, 0, 0, 1, 1),
        (1, 1, 1, 2, 1),
    ],
)
def test_round_saturate(width: int, signed: int, shift: int, out_width: int, out_signed: int) -> None:
    run_bench(
        "round_saturate",
        __file__,
        {"InWidth": width, "InSigned": signed, "Shift": shift, "OutWidth": out_width, "OutSigned": out_signed},
    )
