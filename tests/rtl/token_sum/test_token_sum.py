# SPDX-License-Identifier: Apache-2.0
"""Bench of token_sum: sums of random and extreme tokens, token after token."""

import random
from typing import Any

import cocotb
import pytest
from rtl.pipeline_bench import results

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import parameters, seed


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def equals_formula(dut: Any, share: float) -> None:
    p, rng = parameters(), random.Random(seed())
    width, count = p["InWidth"], p["Lanes"] * p["Beats"]
    low = -(1 << (width - 1)) if p["InSigned"] else 0
    high = low + (1 << width) - 1
    tokens = [[rng.choice((low, high, rng.randint(low, high))) for _ in range(count)] for _ in range(30)]
    tokens += [[low] * count, [high] * count, [0] * count]
    beats = [t[i : i + p["Lanes"]] for t in tokens for i in range(0, count, p["Lanes"])]
    words = [{"s_data": sum((v & ((1 << width) - 1)) << i * width for i, v in enumerate(b))} for b in beats]
    found, moved = await results(dut, share, words, len(tokens), lambda: int(dut.m_sum.value))
    assert found == [sum(t) % (1 << p["SumWidth"]) for t in tokens]
    if share == 1.0:
        assert moved == len(beats) + 2 + (p["Lanes"] - 1).bit_length()


@pytest.mark.parametrize(
    ("lanes", "beats", "width", "signed", "spare"),
    # The unsigned sum with a bit for a sign that it never has, as mad_norm and layer_norm take it.
    [(1, 1, 16, 1, 0), (5, 3, 7, 0, 1)],
)
def test_token_sum(lanes: int, beats: int, width: int, signed: int, spare: int) -> None:
    total = width + (lanes * beats - 1).bit_length() + spare
    sizes = {"Lanes": lanes, "Beats": beats, "InWidth": width, "InSigned": signed, "SumWidth": total}
    run_bench("token_sum", __file__, sizes)
