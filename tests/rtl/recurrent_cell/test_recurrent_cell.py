# SPDX-License-Identifier: Apache-2.0
"""Bench of recurrent_cell: both parts of the preactivations in, hidden vectors out; it moves with `enable`."""

import json
import os
from typing import Any

import cocotb
import numpy as np
import pytest
from ops.recurrent_cases import X, recurrent

from gatewright.fixed import Ints
from gatewright.graph import Folding
from gatewright.ops import _recurrent_rtl
from gatewright.ops._recurrent import Cell
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness

PLAN = "GATEWRIGHT_PLAN"
MATRIX = ("Simd", "Pe", "Final", "WeightWidth", "Pair", "Port", "AccWidth", "Plain", "ShiftMin", "ShiftBits", "Ultra")
SIZE, LANES, LENGTHS = 4, 2, (1, 4, 1, 7, 2)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def steps(dut: Any, share: float) -> None:
    """Sequences back to back; an idle input and a stalled pipeline change nothing."""
    plan = json.loads(os.environ[PLAN])
    bench = Harness(dut)
    words = bench.source("w")
    dut.enable.value, dut.s_valid.value, dut.x_ready.value = 1, 0, 1
    await bench.start()
    words.send_sequence(plan["memory"])
    await bench.until(lambda: words.empty, 2000)
    await bench.step(2)
    assert dut.loaded.value
    waiting, results, moved = list(plan["inputs"]), [], 0
    while len(results) < len(plan["outputs"]):
        enable, offer = bench.rng.random() < share, bool(waiting) and bench.rng.random() < share
        dut.enable.value, dut.s_valid.value = enable, offer
        if offer:
            dut.s_input.value, dut.s_hidden.value, dut.s_last.value = waiting[0]
        await bench.step()
        if not enable:
            continue
        moved += 1
        if offer:
            waiting.pop(0)
        if dut.m_valid.value:
            results.append([int(dut.m_data.value), int(dut.m_last.value)])
        # Here a step need not wait for the hidden vector of the step before.
        assert moved < 4 * len(plan["inputs"]) + 100, "nothing comes out"
    assert results == plan["outputs"]


def beats(values: Ints, width: int) -> list[int]:
    """Rows of lanes as numbers."""
    return [sum((int(v) & ((1 << width) - 1)) << (width * i) for i, v in enumerate(row)) for row in values]


@pytest.mark.parametrize("cell", Cell)
def test_recurrent_cell(cell: Cell) -> None:
    op = recurrent(cell, SIZE, seed=2)
    parameters, memory = _recurrent_rtl.parameters(op, X, Folding(simd=1, pe=LANES))
    rng = np.random.default_rng(3)
    inputs: list[list[int]] = []
    outputs: list[list[int]] = []
    for length in LENGTHS:
        h = state = np.zeros(SIZE, np.int64)
        for t in range(length):
            u = rng.integers(X.lo, X.hi + 1, cell.gates * SIZE)
            h, state, inner = op.step(u, h, state)
            last = int(t == length - 1)
            # Block by block, in it gate by gate.
            parts = [a.reshape(cell.gates, -1, LANES).transpose(1, 0, 2).reshape(-1, LANES) for a in (u, inner["v"])]
            both = zip(beats(parts[0], X.width), beats(parts[1], op.product.width), strict=True)
            inputs += [[a, b, last] for a, b in both]
            outputs += [[d, last] for d in beats(h.reshape(-1, LANES), op.output.width)]
    tables = [int(w) for rows in memory[-2:] for w in rows.reshape(-1)]
    plan = {"memory": tables, "inputs": inputs, "outputs": outputs}
    own = {k: v for k, v in parameters.items() if k not in MATRIX and k != "OffsetWidth"} | {"Lanes": LANES}
    run_bench("recurrent_cell", __file__, own, environment={PLAN: json.dumps(plan)})
