# SPDX-License-Identifier: Apache-2.0
"""Bench of slot_memory: random writes and reads against a dictionary; data stay between reads."""

import random
from typing import Any

import cocotb
import pytest
from cocotb.clock import Clock

from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Pin
from gatewright.sim.streams import parameters, seed


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def equals_dictionary(dut: Any) -> None:
    p, rng = parameters(), random.Random(seed())
    pins = {n: Pin(getattr(dut, n)) for n in ("write", "write_row", "write_data", "read", "read_row", "read_data")}
    held: dict[int, int] = {}
    wanted: int | None = None
    reads = 0
    for name in ("write", "read"):
        pins[name].set(0)
    Clock(dut.clk, 10, "ns").start()
    # Few rows, so that reads meet written ones; the first and the last are among them.
    rows = [0, p["Rows"] - 1, *(rng.randrange(p["Rows"]) for _ in range(6))]
    for _ in range(3000):
        write, read = rng.choice(rows), rng.choice(rows)
        data, writes = rng.getrandbits(p["Width"]), rng.random() < 0.4
        asks = rng.random() < 0.5 and read in held and not (writes and read == write)
        for name, value in (("write", writes), ("write_row", write), ("write_data", data), ("read_row", read)):
            pins[name].set(int(value))
        pins["read"].set(int(asks))
        await dut.clk.rising_edge
        await dut.clk.falling_edge
        if asks:
            wanted, reads = held[read], reads + 1
        if writes:
            held[write] = data
        assert wanted is None or pins["read_data"].get() == wanted
    assert reads > 500


@pytest.mark.parametrize(("rows", "width", "ultra"), [(6, 5, 1), (1030, 40, 1), (1030, 40, 0)])
def test_slot_memory(rows: int, width: int, ultra: int) -> None:
    run_bench("slot_memory", __file__, {"Rows": rows, "Width": width, "Ultra": ultra})
