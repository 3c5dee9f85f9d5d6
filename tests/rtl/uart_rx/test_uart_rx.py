# SPDX-License-Identifier: Apache-2.0
"""Bench of uart_rx: every byte, speeds that are a little off, glitches, breaks, missing stop bits, reset."""

import random
from typing import Any

import cocotb
import pytest
from rtl.uart_lines import Talker

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, parameters, seed


class Receiver:
    """The module with its line, and what it reported."""

    def __init__(self, dut: Any, speed: float = 1.0) -> None:
        self.bench, self.dut = Harness(dut), dut
        self.divisor = parameters()["Divisor"]
        self.talker = Talker(dut.rx, self.divisor * speed)
        self.data = bytearray()
        self.broken = 0

    async def run(self, cycles: int) -> None:
        """Some cycles."""
        for _ in range(cycles):
            self.talker.step()
            await self.bench.step()
            if int(self.dut.valid.value):
                self.data.append(int(self.dut.data.value))
            self.broken += int(self.dut.broken.value)

    async def drain(self) -> None:
        """Until the line is idle and everything was reported."""
        while not self.talker.empty:
            await self.run(1)
        await self.run(3 * self.divisor + 8)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(speed=[0.97, 1.0, 1.03])
async def bytes_arrive(dut: Any, speed: float) -> None:
    if abs(speed - 1) * parameters()["Divisor"] * 9.5 + 1 >= parameters()["Divisor"] / 2:
        return
    receiver = Receiver(dut, speed)
    await receiver.bench.start()
    rng = random.Random(seed())
    data = bytes([0, 255, 0x55, 0xAA]) + rng.randbytes(60)
    receiver.talker.send(data[:32])
    receiver.talker.send(data[32:], gap=rng.randint(1, 3))
    await receiver.drain()
    assert bytes(receiver.data) == data and not receiver.broken


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def glitches_are_nothing(dut: Any) -> None:
    receiver = Receiver(dut)
    await receiver.bench.start()
    for width in range(1, receiver.divisor // 2 - 1):
        for i in range(4 * receiver.divisor):
            dut.rx.value = 0 if i < width else 1
            await receiver.bench.step()
            assert not int(dut.valid.value) and not int(dut.broken.value)
    receiver.talker.send(b"x")
    await receiver.drain()
    assert bytes(receiver.data) == b"x"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def a_missing_stop_bit_is_told_once(dut: Any) -> None:
    """And a break of any length is one broken character; the next one is right again."""
    receiver = Receiver(dut)
    await receiver.bench.start()
    receiver.talker.send(b"a")
    receiver.talker.send(b"b", stop=0)
    receiver.talker.level(1, 3)
    receiver.talker.send(b"c")
    receiver.talker.level(0, 40)
    receiver.talker.level(1, 2)
    receiver.talker.send(b"d")
    await receiver.drain()
    assert bytes(receiver.data) == b"acd" and receiver.broken == 2


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(bits=[1, 4, 9])
async def reset_in_the_middle(dut: Any, bits: int) -> None:
    receiver = Receiver(dut)
    await receiver.bench.start()
    receiver.talker.send(b"\x00")
    await receiver.run(bits * receiver.divisor)
    receiver.talker.level(1, 1)
    dut.rx.value = 1
    receiver.talker = Talker(dut.rx, receiver.divisor)
    await receiver.bench.reset(4)
    await receiver.run(12 * receiver.divisor)
    receiver.talker.send(b"ok")
    await receiver.drain()
    assert bytes(receiver.data) == b"ok" and not receiver.broken


@pytest.mark.parametrize("divisor", [4, 25])
def test_uart_rx(divisor: int) -> None:
    run_bench("uart_rx", __file__, {"Divisor": divisor})
