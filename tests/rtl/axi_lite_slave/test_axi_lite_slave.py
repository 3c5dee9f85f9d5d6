# SPDX-License-Identifier: Apache-2.0
"""Bench of axi_lite_slave under cocotbext-axi's master: a memory behind the register bus, pauses on every channel.

An address without a register, and one inside a word, is answered with SLVERR and reaches nothing.
"""

import itertools
import random
from collections.abc import Iterator
from typing import Any

import cocotb
from cocotb.triggers import ReadOnly
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, seed

KNOWN = range(0, 128, 4)


class Behind:
    """Registers behind the bus: words, and how often each was written or read."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.words = dict.fromkeys(KNOWN, 0)
        self.writes: list[int] = []
        self.reads: list[int] = []

    async def run(self) -> None:
        """Answer the bus, cycle by cycle."""
        dut = self.dut
        while True:
            await ReadOnly()
            write, read = int(dut.write_address.value), int(dut.read_address.value)
            answer = (int(write in KNOWN), int(read in KNOWN), self.words.get(read, 0))
            await dut.clk.falling_edge
            dut.write_known.value, dut.read_known.value, dut.read_data.value = answer
            await ReadOnly()
            if int(dut.write_valid.value):
                assert write in self.words
                self.writes.append(write)
                mask = sum(0xFF << 8 * i for i in range(4) if int(dut.write_strobe.value) >> i & 1)
                self.words[write] = (self.words[write] & ~mask) | (int(dut.write_data.value) & mask)
            if int(dut.read_valid.value):
                self.reads.append(read)
            await dut.clk.rising_edge


def pauses(rng: random.Random, chance: float) -> Iterator[bool]:
    """Random pauses for a channel."""
    return (rng.random() < chance for _ in itertools.count())


async def started(dut: Any, chance: float) -> tuple[AxiLiteMaster, Behind, random.Random]:
    bench, rng = Harness(dut), random.Random(f"{seed()} {chance}")
    dut.write_known.value = dut.read_known.value = 0
    master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s"), dut.clk, dut.rst)
    behind = Behind(dut)
    await bench.start()
    for channel in (
        master.write_if.aw_channel,
        master.write_if.w_channel,
        master.write_if.b_channel,
        master.read_if.ar_channel,
        master.read_if.r_channel,
    ):
        channel.set_pause_generator(pauses(rng, chance))
    cocotb.start_soon(behind.run())
    return master, behind, rng


@cocotb.test(timeout_time=2, timeout_unit="ms")
@cocotb.parametrize(chance=[0.0, 0.3, 0.8])
async def reads_and_writes(dut: Any, chance: float) -> None:
    master, behind, rng = await started(dut, chance)
    words = dict.fromkeys(KNOWN, 0)
    wrote = red = 0
    for _ in range(80):
        address = rng.choice((*KNOWN, *range(128, 256, 4)))
        if rng.random() < 0.5:
            data = rng.randbytes(rng.randint(1, 4))
            answer = await master.write(address, data)
            if address in words:
                words[address] = int.from_bytes(data + words[address].to_bytes(4, "little")[len(data) :], "little")
                wrote += 1
            assert answer.resp == (AxiResp.OKAY if address in words else AxiResp.SLVERR)
        else:
            found = await master.read(address, 4)
            red += address in words
            assert found.resp == (AxiResp.OKAY if address in words else AxiResp.SLVERR)
            assert int.from_bytes(found.data, "little") == words.get(address, 0)
    assert behind.words == words and len(behind.writes) == wrote and len(behind.reads) == red


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def many_under_way(dut: Any) -> None:
    """Requests of both kinds without waiting for answers: each is answered once, in order."""
    master, behind, rng = await started(dut, 0.4)
    data = {address: rng.getrandbits(32) for address in KNOWN}
    writes = [master.init_write(a, v.to_bytes(4, "little")) for a, v in data.items()]
    for event in writes:
        await event.wait()
    reads = [master.init_read(a, 4) for a in data]
    for event, value in zip(reads, data.values(), strict=True):
        await event.wait()
        assert int.from_bytes(event.data.data, "little") == value
    assert behind.words == data and behind.reads == list(data) and behind.writes == list(data)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_in_the_middle(dut: Any) -> None:
    """No answer survives a reset, and the next request is served."""
    bench = Harness(dut)
    for pin in (dut.s_awvalid, dut.s_wvalid, dut.s_arvalid, dut.s_bready, dut.s_rready):
        pin.value = 0
    dut.write_known.value = dut.read_known.value = 1
    await bench.start()
    dut.s_awvalid.value = dut.s_arvalid.value = 1
    dut.s_awaddr.value = dut.s_araddr.value = 4
    await bench.step(2)
    dut.s_awvalid.value = dut.s_arvalid.value = 0
    await bench.step(3)
    assert int(dut.s_rvalid.value)
    await bench.reset(1)
    await bench.step(3)
    assert not int(dut.s_rvalid.value) and not int(dut.s_bvalid.value)
    dut.s_wvalid.value = 1
    await bench.step(2)
    # The address from before the reset is forgotten: the data find none.
    dut.s_wvalid.value = 0
    await bench.step(5)
    assert not int(dut.s_bvalid.value)


def test_axi_lite_slave() -> None:
    run_bench("axi_lite_slave", __file__, {"AddressBits": 8})
