# SPDX-License-Identifier: Apache-2.0
"""Bench of uart_tx: every byte, back to back and with pauses, reset in the middle."""

import random
from typing import Any

import cocotb
import pytest
from rtl.uart_lines import Listener

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters, seed


async def run(bench: Harness, listener: Listener, cycles: int) -> None:
    for _ in range(cycles):
        await bench.step()
        listener.step()


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(idle=[0.0, 0.99])
async def bytes_leave(dut: Any, idle: float) -> None:
    bench, divisor = Harness(dut), parameters()["Divisor"]
    source = bench.source("s", idle, ("data",))
    listener = Listener(dut.tx, divisor)
    await bench.start()
    data = bytes([0, 255, 0x55, 0xAA, 0xAA]) + random.Random(seed()).randbytes(40)
    source.send([(value,) for value in data])
    while not source.empty:
        await run(bench, listener, 1)
    await run(bench, listener, 12 * divisor)
    assert bytes(listener.data) == data and not listener.broken
    if not idle:
        # Ten bits per character, and one cycle between two.
        gaps = [b - a for a, b in zip(source.taken, source.taken[1:], strict=False)]
        assert set(gaps) == {10 * divisor + 1}


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_the_middle(dut: Any) -> None:
    """The line is high at once, and what comes next is whole."""
    bench, divisor = Harness(dut), parameters()["Divisor"]
    source = bench.source("s", 0.0, ("data",))
    listener = Listener(dut.tx, divisor)
    await bench.start()
    source.send([(0,)])
    await run(bench, listener, 3 * divisor)
    await bench.reset()
    listener = Listener(dut.tx, divisor)
    await run(bench, listener, 20 * divisor)
    assert not listener.data and not listener.broken
    source.send([(0x5A,)])
    await run(bench, listener, 14 * divisor)
    assert bytes(listener.data) == b"\x5a"


@pytest.mark.parametrize("divisor", [3, 25])
def test_uart_tx(divisor: int) -> None:
    run_bench("uart_tx", __file__, {"Divisor": divisor})
