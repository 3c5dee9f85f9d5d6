# SPDX-License-Identifier: Apache-2.0
"""Bench of memory_shell: whole runs over AXI4-Lite and two memories, and everything that can go wrong with them."""

from typing import Any

import cocotb
import pytest
from cocotbext.axi import AxiResp
from rtl.axi_bench import SIZE, Protocol, Reader, Writer, report
from rtl.shell_bench import MOST, TOO_LONG, TOO_SHORT, Host, Network, layout, sequences, wanted, weights

from gatewright.shell.layout import Words
from gatewright.sim.beats import as_numbers
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Harness, Pace, parameters

LENGTHS = [1, MOST, 3, 2, 5, 1, 1, 7]


class Card:
    """A host, its memories and the shell."""

    def __init__(self, dut: Any, pace: Pace, stall: float = 0.0) -> None:
        p = parameters()
        self.bench = Harness(dut)
        self.rng = self.bench.rng
        self.reader = Reader(self.bench, "gmem0", pace)
        self.writer = Writer(self.bench, "gmem1", pace)
        Protocol(self.bench, "gmem0", False, p["Burst"], p["Outstanding"])
        Protocol(self.bench, "gmem1", True, p["Burst"], p["Outstanding"])
        self.network = Network(self.bench, stall)
        self.host = Host(self.bench)
        self.memory = weights(self.rng)
        self.at = 0

    async def start(self, load: bool = True) -> None:
        await self.host.start()
        if load:
            await self.load()
            assert await self.host.read("status.loaded")
            assert not await self.host.errors()

    async def load(self, cut: int = 0) -> None:
        """Load weights from a random address; `cut` bytes fewer than there are, or more."""
        data = layout().weights(self.memory)
        data = data[: len(data) - cut] if cut >= 0 else data + self.rng.randbytes(-cut)
        self.at = self.rng.randrange(SIZE // 4)
        self.reader.write(self.at, data)
        await self.host.write("weights_address", self.at)
        await self.host.write("weights_bytes", len(data))
        await self.host.go(load=True)
        await self.host.done()

    async def begin(self, items: list[Words], count: int, data: bytes, room: int) -> None:
        """Start a run."""
        self.at, self.to = self.rng.randrange(SIZE // 4), self.rng.randrange(SIZE // 2)
        self.reader.write(self.at, data)
        self.before = self.rng.randbytes(SIZE)
        self.writer.write(0, self.before)
        await self.host.write("input_address", self.at)
        await self.host.write("input_bytes", len(data))
        await self.host.write("output_address", self.to)
        await self.host.write("output_bytes", room)
        await self.host.go(sequences=count)

    async def run(
        self, items: list[Words], count: int | None = None, data: bytes | None = None, room: int | None = None
    ) -> list[list[int]]:
        """A run; results of those sequences that are legal, and nothing else was written."""
        plan = layout()
        tokens = [n for s in items if 1 <= (n := len(s) // parameters()["InBeats"]) <= MOST]
        need = plan.output_bytes(tokens)
        room = need if room is None else room
        data = plan.pack(items) if data is None else data
        await self.begin(items, len(items) if count is None else count, data, room)
        await self.host.done()
        after = bytes(self.writer.read(0, SIZE))
        end = self.to + min(need, room)
        assert after[: self.to] == self.before[: self.to] and after[end:] == self.before[end:]
        if room < need:
            return []
        return [as_numbers(r) for r in plan.unpack(after[self.to : end], tokens)] if tokens else []


@cocotb.test(timeout_time=100, timeout_unit="ms")
@cocotb.parametrize(pace=[Pace(), Pace(0.3, 0.3), Pace(stall=0.8)])
async def runs(dut: Any, pace: Pace) -> None:
    """Weights, then runs of mixed lengths, among them one of none."""
    card = Card(dut, pace, pace.stall / 2)
    await card.start()
    for lengths in (LENGTHS, [], [2], LENGTHS * 3):
        items = sequences(card.rng, lengths)
        assert await card.run(items) == wanted(items, card.memory)
        assert not await card.host.errors()
        assert await card.host.read("finished") == len(lengths)
        assert await card.host.read("cycles") > sum(lengths)


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def interrupts(dut: Any) -> None:
    card = Card(dut, Pace())
    await card.start()
    await card.host.write("interrupt_global", 1)
    await card.host.write("interrupt_enable", 1)
    assert not dut.interrupt_line.value
    await card.run(sequences(card.rng, [1]))
    assert dut.interrupt_line.value
    await card.host.write("interrupt_status", 1)
    assert not dut.interrupt_line.value


@cocotb.test(timeout_time=100, timeout_unit="ms")
@cocotb.parametrize(response=[AxiResp.SLVERR, AxiResp.DECERR])
async def bus_errors(dut: Any, response: AxiResp) -> None:
    """Flagged for the bus it came on, the run ends, and the next one is right."""
    card = Card(dut, Pace(0.2, 0.2))
    await card.start()
    items, word = sequences(card.rng, LENGTHS), parameters()["Width"] // 8
    for memory, flag in ((card.reader, "input_bus"), (card.writer, "output_bus")):
        memory.faults = dict.fromkeys(range(0, SIZE, word), response)
        # Every header may be wrong now: what the sequences say is not known, only that each is accounted for.
        await card.begin(items, len(items), layout().pack(items), 1 << 12)
        await card.host.done()
        assert flag in await card.host.errors()
        report(f"run of the shell with {response.name}, {flag}", 1)
        assert await card.host.read("finished") + await card.host.read("rejections") == len(items)
        memory.faults = {}
        while await card.host.read("status.rejected"):
            await card.host.read("rejected")
        assert await card.run(items) == wanted(items, card.memory)
        assert not await card.host.errors()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def broken_weights(dut: Any) -> None:
    """A load of the wrong length, or one with an error on the bus, leaves nothing behind; then nothing is run."""
    card = Card(dut, Pace(0.2, 0.2))
    await card.start(load=False)
    items, word = sequences(card.rng, [2, 1]), parameters()["Width"] // 8
    await card.host.go(sequences=1)
    await card.host.done()
    assert await card.host.errors() == {"not_loaded"}
    for cut, fault in ((4, False), (1, False), (-4, False), (10**6, False), (0, True)):
        if fault:
            card.reader.faults = dict.fromkeys(range(0, SIZE, word), AxiResp.SLVERR)
        await card.load(cut)
        card.reader.faults = {}
        assert not await card.host.read("status.loaded")
        assert await card.host.errors() == {"weights_bus" if fault else "weights_length"}
        report("load of weights " + ("with SLVERR" if fault else "of the wrong length"), 1)
        await card.host.go(sequences=1)
        await card.host.done()
        assert await card.host.errors() == {"not_loaded"}
        await card.load()
        assert await card.host.read("status.loaded")
        assert await card.run(items) == wanted(items, card.memory)
        assert not await card.host.errors()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def wrong_lengths(dut: Any) -> None:
    """Malformed sequences are named, the others are right; bytes too few or too many are flagged."""
    card = Card(dut, Pace(0.1, 0.1), 0.1)
    await card.start()
    items = sequences(card.rng, [2, MOST + 1, 3, 0, 1])
    assert await card.run(items) == wanted(items, card.memory)
    assert await card.host.errors() == {"malformed"}
    found = [await card.host.read("rejected") for _ in range(3)]
    assert [(f >> 31, f >> 8 & 3, f & 0xFF) for f in found[:2]] == [(1, TOO_LONG, 1), (1, TOO_SHORT, 3)]
    assert not found[2] >> 31
    report("malformed sequence in a run", 2)
    good = sequences(card.rng, [2, 3])
    data = layout().pack(good)
    # The final sequence is cut: what remains of it may be a shorter one, or none.
    await card.begin(good, 2, data[:-1], 1 << 12)
    await card.host.done()
    assert "input_length" in await card.host.errors()
    assert await card.host.read("finished") + await card.host.read("rejections") == 2
    await card.begin(good, 2, b"", 1 << 12)
    await card.host.done()
    assert await card.host.errors() == {"input_length", "malformed"}
    assert await card.host.read("rejections") == 2
    assert await card.run(good, data=data + bytes(50)) == wanted(good, card.memory)
    assert await card.host.errors() == {"input_length"}
    report("run with too few or too many bytes", 3)
    # More malformed sequences than places to remember them: all are counted, and the run ends.
    await card.begin([], 60, b"", 0)
    await card.host.done()
    assert await card.host.read("rejections") == 60
    await card.host.errors()
    assert await card.run(good) == wanted(good, card.memory)
    assert not await card.host.errors()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def too_little_room(dut: Any) -> None:
    card = Card(dut, Pace(0.1, 0.1))
    await card.start()
    items = sequences(card.rng, LENGTHS)
    for room in (0, 1, layout().output_bytes(LENGTHS) - 1):
        await card.run(items, room=room)
        assert await card.host.errors() == {"output_length"}
        report("run with too little room for results", 1)
    assert await card.run(items) == wanted(items, card.memory)
    assert not await card.host.errors()


@cocotb.test(timeout_time=100, timeout_unit="ms")
async def soft_resets(dut: Any) -> None:
    """A reset by register in the middle of a run or a load: the buses stay sound, and the next run is right."""
    card = Card(dut, Pace(0.2, 0.4), 0.3)
    await card.start()
    items = sequences(card.rng, LENGTHS * 2)
    for reads in (0, 1, 2, 4, 8, 12):
        await card.begin(items, len(items), layout().pack(items), 1 << 13)
        for _ in range(reads):
            await card.host.read("status")
        await card.host.write("command.reset", 1)
        assert not await card.host.read("status")
        await card.load()
        assert await card.run(items[:5]) == wanted(items[:5], card.memory)
        assert not await card.host.errors()
        report("run of the shell ended by `command.reset`", 1)


@pytest.mark.parametrize(
    "p",
    [
        {"Width": 64, "InBits": 10, "InBeats": 2, "OutBits": 70, "Load": 32, "LoadWords": 5},
        {"Width": 512, "InBits": 64, "InBeats": 1, "OutBits": 8, "Load": 512, "LoadWords": 3},
    ],
)
def test_memory_shell(p: dict[str, int]) -> None:
    run_bench("memory_shell", __file__, {"Burst": 4, "Outstanding": 2, "TagBits": 6, **p})
