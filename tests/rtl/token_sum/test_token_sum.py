# SPDX-License-Identifier: Apache-2.0
"""Bench of moments: sums and sums of squares of random and extreme tokens, token after token."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def equals_formula(dut: Any, share: float) -> None:
    p = parameters()
    width, count = p["InWidth"], p["Lanes"] * p["Beats"]
    low = -(1 << (width - 1)) if p["InSigned"] else 0
    high = low + (1 << width) - 1
    bench = Harness(dut)
    dut.enable.value, dut.s_valid.value = 1, 0
    await bench.start()
    tokens = [[bench.rng.choice((low, high, bench.rng.randint(low, high))) for _ in range(count)] for _ in range(30)]
    tokens += [[low] * count, [high] * count, [0] * count]
    beats = [t[i : i + p["Lanes"]] for t in tokens for i in range(0, count, p["Lanes"])]
    results: list[tuple[int, int]] = []
    sent = moved = 0
    while len(results) < len(tokens):
        enable, offer = bench.rng.random() < share, sent < len(beats) and bench.rng.random() < share
        dut.enable.value, dut.s_valid.value = enable, offer
        dut.s_data.value = bench.rng.getrandbits(p["Lanes"] * width)
        if offer:
            dut.s_data.value = sum((v & ((1 << width) - 1)) << i * width for i, v in enumerate(beats[sent]))
        await bench.step()
        if enable:
            moved, sent = moved + 1, sent + offer
            if dut.m_valid.value:
                results.append((int(dut.m_sum.value.to_signed()), int(dut.m_square.value)))
        assert moved < 20 * len(beats), "nothing comes out"
    assert results == [(sum(t), sum(v * v for v in t)) for t in tokens]
    if share == 1.0:
        assert moved == len(beats) + 2 + (p["Lanes"] - 1).bit_length()


@pytest.mark.parametrize(("lanes", "beats", "width", "signed"), [(1, 1, 16, 1), (5, 3, 7, 0)])
def test_moments(lanes: int, beats: int, width: int, signed: int) -> None:
    spare = (lanes * beats - 1).bit_length()
    wide = width + (not signed)
    sizes = {"SumWidth": wide + spare, "SquareWidth": 2 * wide - 1 + spare}
    run_bench("moments", __file__, {"Lanes": lanes, "Beats": beats, "InWidth": width, "InSigned": signed, **sizes})
