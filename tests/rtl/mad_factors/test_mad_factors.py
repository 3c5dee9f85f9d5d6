# SPDX-License-Identifier: Apache-2.0
"""Bench of mad_factors: from sums to factor, offset and exponent, as the operator's formula has them."""

from typing import Any

import cocotb
import numpy as np
from rtl.pipeline_bench import results

from gatewright.ops.mad_norm import inverse
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters, seed


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def equals_formula(dut: Any, share: float) -> None:
    p, draw = parameters(), np.random.default_rng(seed())
    channels, top = p["Channels"], 1 << 11
    tokens = draw.integers(-top, top, (200, channels)) >> draw.integers(0, 12, (200, 1))
    tokens[:4] = [[-top] * channels, [0] * channels, [top - 1] * channels, [-top] * 6 + [top - 1] * 6]
    epsilon = draw.integers(0, 1 << p["EpsilonWidth"], 200) >> draw.integers(0, p["EpsilonWidth"] + 1, 200)
    epsilon[1:4] = 1, 0, 0
    total = tokens.sum(axis=1)
    centre = channels * tokens - total[:, None]
    pins = [
        {
            "s_sum": int(s) % (1 << p["SumWidth"]),
            "s_above": int(t[c > 0].sum()) % (1 << p["SumWidth"]),
            "s_count": int((c > 0).sum()),
            "s_epsilon": int(e),
        }
        for s, t, c, e in zip(total, tokens, centre, epsilon, strict=True)
    ]
    r, half = inverse(np.maximum(np.abs(centre).sum(axis=1) + epsilon, 1), channels)
    wanted = np.stack([channels * r, total * r - (1 << half), half], axis=1).tolist()

    def read() -> list[int]:
        return [int(dut.m_factor.value), dut.m_offset.value.to_signed(), int(dut.m_half.value)]

    found, moved = await results(dut, share, pins, len(pins), read)
    # Of nothing by nothing any factor will do.
    nothing = (np.abs(centre).sum(axis=1) + epsilon) == 0
    assert nothing.any()
    assert [f for f, n in zip(found, nothing, strict=True) if not n] == [
        w for w, n in zip(wanted, nothing, strict=True) if not n
    ]
    if share == 1.0:
        assert moved == len(pins) + 7


def test_mad_factors() -> None:
    deviation = (144 * 4095 // 2 + 511).bit_length()
    run_bench(
        "mad_factors",
        __file__,
        {"Channels": 12, "SumWidth": 16, "EpsilonWidth": 9, "DeviationWidth": deviation, "OffsetWidth": 36},
    )
