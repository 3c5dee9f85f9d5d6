# SPDX-License-Identifier: Apache-2.0
"""Bench of crc32 against zlib: any message, with pauses, and the residue behind a message with its own CRC."""

import zlib
from typing import Any

import cocotb
from cocotb.clock import Clock

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import seed


async def put(dut: Any, data: bytes, pauses: Any) -> None:
    """Clear, then one byte after another, with noise on the data in between."""
    dut.clear.value, dut.valid.value = 1, 1
    await dut.clk.rising_edge
    dut.clear.value = 0
    for value in data:
        while pauses.random() < 0.3:
            dut.valid.value, dut.data.value = 0, pauses.getrandbits(8)
            await dut.clk.rising_edge
        dut.valid.value, dut.data.value = 1, value
        await dut.clk.rising_edge
    dut.valid.value = 0
    await dut.clk.rising_edge


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def equals_zlib(dut: Any) -> None:
    import random

    rng = random.Random(seed())
    Clock(dut.clk, 10, "ns").start()
    for size in (0, 1, 2, 3, 4, 5, 64, 260):
        data = rng.choice([rng.randbytes(size), bytes(size), b"\xff" * size])
        await put(dut, data, rng)
        wanted = zlib.crc32(data)
        assert int(dut.crc.value) == wanted, f"{size} bytes, seed {seed()}"
        await put(dut, data + wanted.to_bytes(4, "little"), rng)
        assert int(dut.sound.value) == 1
        await put(dut, data + (wanted ^ 1 << rng.randrange(32)).to_bytes(4, "little"), rng)
        assert int(dut.sound.value) == 0


def test_crc32() -> None:
    run_bench("crc32", __file__)
