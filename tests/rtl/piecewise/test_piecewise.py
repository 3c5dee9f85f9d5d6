# SPDX-License-Identifier: Apache-2.0
"""Bench of piecewise: every input of the format through tables of several banks; the pipeline moves with `enable`."""

import json
import os
from typing import Any

import cocotb
import numpy as np
import pytest

from gatewright.fixed import Fixed
from gatewright.ops._functions import FUNCTIONS, Kind
from gatewright.ops._piecewise import Table, fit, integers
from gatewright.ops._piecewise_rtl import latency, spell
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, Source

PLAN = "GATEWRIGHT_PLAN"


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def every_input(dut: Any, share: float) -> None:
    """Each bank's results in order; a bank may change with every beat."""
    plan = json.loads(os.environ[PLAN])
    bench = Harness(dut)
    words: Source = bench.source("w")
    dut.enable.value, dut.s_valid.value, dut.x_ready.value = 1, 0, 1
    await bench.start()
    words.send_sequence(plan["memory"])
    await bench.until(lambda: words.empty, 2000)
    await bench.step(2)
    assert dut.loaded.value
    sent = list(zip(plan["inputs"], plan["banks"], strict=True))
    results, waiting, moved = [], list(enumerate(sent)), 0
    while len(results) < len(sent):
        enable = bench.rng.random() < share
        offer = bool(waiting) and bench.rng.random() < share
        dut.enable.value, dut.s_valid.value = enable, offer
        if offer:
            number, (value, bank) = waiting[0]
            dut.s_data.value, dut.s_bank.value, dut.s_user.value = value, bank, number % 2
        await bench.step()
        if enable:
            moved += 1
            if offer:
                waiting.pop(0)
            if dut.m_valid.value:
                assert int(dut.m_user.value) == len(results) % 2
                results.append(int(dut.m_data.value))
        assert moved < 20 * len(sent), "nothing comes out"
    assert results == plan["outputs"]
    if share == 1.0:
        # The edge that brings a result is one before the edge at which it is seen.
        assert moved == len(sent) + plan["latency"]


@pytest.mark.parametrize(
    ("x", "output", "segments", "load"),
    [(Fixed(8, 4), Fixed(8, 4), 13, 32), (Fixed(6, 2, signed=False), Fixed(9, 6, signed=False), 4, 128)],
    ids=["signed", "unsigned"],
)
def test_piecewise(x: Fixed, output: Fixed, segments: int, load: int) -> None:
    tables: list[Table] = [fit(FUNCTIONS[k].value, x, output, segments) for k in (Kind.GELU, Kind.TANH, Kind.SOFTPLUS)]
    values, mask = parameters_of(tables, x, output)
    rng = np.random.default_rng(0)
    inputs = rng.permutation(np.tile(integers(x), 3))
    banks = rng.integers(0, 3, len(inputs))
    outputs = [int(tables[b].evaluate(v[None], output)[0]) for b, v in zip(banks, inputs, strict=True)]
    rows = spell(tables, [x] * 3, [output] * 3)[1]
    plan = {
        "memory": [join(row[i : i + load // 32]) for row in rows for i in range(0, len(row), load // 32)],
        "inputs": (inputs & ((1 << x.width) - 1)).tolist(),
        "banks": banks.tolist(),
        "outputs": [v & mask for v in outputs],
        "latency": latency(tables),
    }
    run_bench("piecewise", __file__, values | {"Lanes": 1, "Load": load}, environment={PLAN: json.dumps(plan)})


def join(words: np.ndarray) -> int:
    """One word of a wide load chain."""
    return sum(int(w) << 32 * i for i, w in enumerate(words))


def parameters_of(tables: list[Table], x: Fixed, output: Fixed) -> tuple[dict[str, int], int]:
    """Parameters of the module and the mask of a result."""
    return spell(tables, [x] * len(tables), [output] * len(tables))[0], (1 << output.width) - 1
