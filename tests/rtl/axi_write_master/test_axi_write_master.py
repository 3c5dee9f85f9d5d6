# SPDX-License-Identifier: Apache-2.0
"""Bench of axi_write_master: any address and length, page boundaries, too little room, bus errors, cancels."""

import random
from typing import Any

import cocotb
import pytest
from cocotbext.axi import AxiResp
from rtl.axi_bench import COUNT, PACES, SIZE, Protocol, Writer, commands, report

from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Source
from gatewright.sim.streams import Harness, Pace, parameters


class Bench:
    """The master with its memory, and the memory as it should be."""

    def __init__(self, dut: Any, pace: Pace) -> None:
        self.dut, self.harness, p = dut, Harness(dut), parameters()
        dut.cancel.value = 0
        self.command: Source = self.harness.source("c", fields=("address", "bytes"))
        self.stream = self.harness.source("s", idle=pace.idle, fields=("data", "bytes", "last"))
        self.memory = Writer(self.harness, "axi", pace)
        self.wanted = bytearray(self.harness.rng.randbytes(SIZE))
        self.memory.write(0, bytes(self.wanted))
        self.protocol = Protocol(self.harness, "axi", True, p["Burst"], p["Outstanding"])
        self.word = p["Width"] // 8

    async def start(self) -> None:
        await self.harness.start()

    def send(self, address: int, data: bytes, room: int) -> None:
        """One command and its stream; the part that fits is expected in memory."""
        self.command.send([(address, room)])
        beats = []
        for at in range(0, len(data), self.word):
            part = data[at : at + self.word]
            # Bytes behind the end must not matter.
            noise = self.harness.rng.randbytes(self.word - len(part))
            beats.append((int.from_bytes(part + noise, "little"), len(part), 0))
        # A stream may end with a beat of no bytes; an empty one consists of it.
        if not beats or (len(data) % self.word == 0 and self.harness.rng.random() < 0.3):
            beats.append((self.harness.rng.getrandbits(8 * self.word), 0, 0))
        beats[-1] = (*beats[-1][:2], 1)
        self.stream.send(beats)
        part = data[:room]
        self.wanted[address : address + len(part)] = part

    async def finish(self, limit: int) -> None:
        """Until every command has ended; then memory is right everywhere."""

        def ended() -> bool:
            return self.command.empty and self.stream.empty and bool(self.dut.c_ready.value)

        await self.harness.until(ended, limit)
        await self.harness.step(3)
        await self.harness.until(ended, limit)
        found = bytes(self.memory.read(0, SIZE))
        assert found == self.wanted, [i for i in range(SIZE) if found[i] != self.wanted[i]][:9]


@cocotb.test(timeout_time=2000, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Bench(dut, pace)
    await bench.start()
    sent = commands(random.Random(f"{bench.harness.seed} {pace}"), COUNT, parameters()["Width"])
    # Commands overlap: memory is compared before too much of it is written anew.
    for part in range(0, COUNT, 6):
        for address, length in sent[part : part + 6]:
            room = length + bench.harness.rng.choice((0, 0, 1, 1000))
            bench.send(address, bench.harness.rng.randbytes(length), room)
        await bench.finish(200000)
    assert not dut.error.value.to_unsigned() and not dut.overflow.value
    for what, count in (("commands", COUNT), ("bursts", bench.protocol.bursts), ("beats", bench.protocol.beats)):
        report(what, count)


@cocotb.test(timeout_time=200, timeout_unit="ms")
@cocotb.parametrize(pace=[Pace(), Pace(0.3, 0.3)])
async def too_little_room(dut: Any, pace: Pace) -> None:
    """Not a byte is written behind the room; the whole stream is taken; the next command is right."""
    bench = Bench(dut, pace)
    await bench.start()
    for length in (1, bench.word, 3 * bench.word, 5 * bench.word + 1, 5000):
        rooms = {0, 1, length // 2, length // 2 // bench.word * bench.word, length - 1} - {length}
        for room in sorted(rooms):
            bench.send(bench.harness.rng.randrange(SIZE // 2), bench.harness.rng.randbytes(length), room)
            await bench.finish(20000)
            assert dut.overflow.value
            bench.send(bench.harness.rng.randrange(SIZE // 2), b"abc", 3)
            await bench.finish(1000)
            assert not dut.overflow.value
            report("write longer than its room", 1)


@cocotb.test(timeout_time=200, timeout_unit="ms")
@cocotb.parametrize(response=[AxiResp.SLVERR, AxiResp.DECERR])
@cocotb.parametrize(pace=[Pace(), Pace(0.3, 0.3)])
async def bus_errors(dut: Any, response: AxiResp, pace: Pace) -> None:
    """An error is flagged, every other word is written, and the next command knows nothing of it."""
    bench = Bench(dut, pace)
    await bench.start()
    word = bench.word
    for _ in range(8):
        first = bench.harness.rng.randrange(40) * word
        broken = first + bench.harness.rng.randrange(20) * word
        kept = bytes(bench.wanted[broken : broken + word])
        bench.memory.faults = {broken: response}
        bench.send(first, bench.harness.rng.randbytes(20 * word), 20 * word)
        bench.wanted[broken : broken + word] = kept
        await bench.finish(20000)
        assert dut.error.value.to_unsigned() == 1 << (response == AxiResp.DECERR)
        bench.send(SIZE // 2, b"123456789", 9)
        await bench.finish(20000)
        assert not dut.error.value.to_unsigned()
    report(f"write answered with {response.name}", 8)


@cocotb.test(timeout_time=200, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 5, 9, 30, 77])
@cocotb.parametrize(hard=[False, True])
async def ended_in_the_middle(dut: Any, cycles: int, hard: bool) -> None:
    """After a cancel, or a reset of master and bus, the next commands are right."""
    bench = Bench(dut, Pace(0.2, 0.5))
    await bench.start()
    for round_ in range(3):
        bench.send(bench.harness.rng.randrange(4000), bench.harness.rng.randbytes(6000), 6000)
        await bench.harness.step(cycles + round_)
        if hard:
            await bench.harness.reset(2)
        else:
            dut.cancel.value = 1
            bench.command.reset()
            await bench.harness.step(1 + round_)
            bench.stream.reset()
            dut.cancel.value = 0
            await bench.harness.until(lambda: bool(dut.c_ready.value), 2000)
        # What of it was written is not known; it lies within its own bytes.
        found = bytes(bench.memory.read(0, SIZE))
        assert found[10000:] == bytes(bench.wanted[10000:])
        bench.wanted[:] = found
        for address, length in commands(bench.harness.rng, 4, parameters()["Width"]):
            bench.send(address, bench.harness.rng.randbytes(length), length)
        await bench.finish(100000)
    report("write ended by a reset" if hard else "write cancelled", 3)


@pytest.mark.parametrize(("width", "burst", "outstanding"), [(64, 16, 4), (128, 1, 1), (512, 64, 2), (256, 7, 3)])
def test_axi_write_master(width: int, burst: int, outstanding: int) -> None:
    run_bench("axi_write_master", __file__, {"Width": width, "Burst": burst, "Outstanding": outstanding})
