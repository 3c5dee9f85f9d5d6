# SPDX-License-Identifier: Apache-2.0
"""Bench of row_memory: any row two enabled cycles after its address, over two loads; the load chain goes on."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, Sink, Source, parameters, random_words


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(share=[1.0, 0.5])
async def random_reads(dut: Any, share: float) -> None:
    p = parameters()
    bench = Harness(dut)
    w: Source = bench.source("w")
    x: Sink = bench.sink("x")
    dut.enable.value, dut.address.value = 0, 0
    await bench.start()
    for _ in range(2):
        rows = random_words(bench.rng, p["Width"], p["Rows"])
        chunks = -(-p["Width"] // p["Load"])
        words = [row >> p["Load"] * c & ((1 << p["Load"]) - 1) for row in rows for c in range(chunks)]
        later = random_words(bench.rng, p["Load"], 3)
        w.send_sequence(words + later)
        await bench.until(lambda: w.empty, 1000 + 2 * len(words))
        await bench.step(5)
        assert dut.loaded.value and x.words[-3:] == later
        wanted: list[int] = []
        for _ in range(6 * p["Rows"] + 10):
            enable, address = bench.rng.random() < share, bench.rng.randrange(p["Rows"])
            dut.enable.value, dut.address.value = enable, address
            await bench.step()
            if enable:
                wanted.append(rows[address])
            # What is seen at this edge is what the edges before have made.
            if enable and len(wanted) > 2:
                assert int(dut.data.value) == wanted[-3]


@pytest.mark.parametrize(("rows", "width", "load", "ultra"), [(5, 70, 32, 0), (1, 40, 64, 0), (1024, 8, 32, 1)])
def test_row_memory(rows: int, width: int, load: int, ultra: int) -> None:
    run_bench("row_memory", __file__, {"Rows": rows, "Width": width, "Load": load, "Ultra": ultra})
