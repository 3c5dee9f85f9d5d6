# SPDX-License-Identifier: Apache-2.0
"""Bench of party_link, both ends by loop: a blocked channel blocks no other one, and nothing is lost or mixed up."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, Source, parameters, random_words

P = parameters() or {"Sends": 1, "Receives": 1, "Depth": 4, "Width": 8, "IdBits": 2}
CHANNELS, DEPTH = P["Sends"], P["Depth"]


class Loop:
    """Frames that leave come back after some cycles, or with `hold` pile up outside."""

    def __init__(self, dut: Any, pace: Pace, latency: int = 9) -> None:
        self.bench = Harness(dut)
        self.sources: list[Source] = [
            self.bench.source("s", pace.idle, index=i, count=CHANNELS) for i in range(CHANNELS)
        ]
        self.sinks: list[Sink] = [
            self.bench.sink("m", pace.stall, pace.patient, index=i, count=CHANNELS) for i in range(CHANNELS)
        ]
        self.out, self.back = self.bench.sink("l", pace.stall), self.bench.source("r")
        self.latency, self.seen = latency, 0

    async def step(self, cycles: int = 1) -> None:
        for _ in range(cycles):
            while self.seen < len(self.out.beats) and self.out.cycles[self.seen] + self.latency <= self.bench.cycle:
                self.back.send([self.out.beats[self.seen]])
                self.seen += 1
            await self.bench.step()

    async def until(self, counts: list[int], limit: int) -> None:
        for _ in range(limit):
            if all(len(s.beats) >= n for s, n in zip(self.sinks, counts, strict=True)):
                break
            await self.step()
        await self.step(60)
        assert [len(s.beats) for s in self.sinks] == counts, [str(p) for p in self.bench.ports]

    def send(self, lengths: tuple[int, ...]) -> list[list[list[int]]]:
        messages = [[random_words(self.bench.rng, P["Width"], n) for n in lengths] for _ in range(CHANNELS)]
        for source, channel in zip(self.sources, messages, strict=True):
            for words in channel:
                source.send_sequence(words)
        return messages


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    loop = Loop(dut, pace)
    await loop.bench.start()
    messages = loop.send((1, 2, 30, 1, 7))
    await loop.until([41] * CHANNELS, 6000)
    assert [s.sequences() for s in loop.sinks] == messages


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(blocked=range(CHANNELS))
async def a_blocked_channel_blocks_no_other(dut: Any, blocked: int) -> None:
    """Nobody takes one channel's words: it stops at its credit, the others go on; later it goes on too."""
    loop = Loop(dut, Pace())
    await loop.bench.start()
    loop.sinks[blocked].stall = 1.0
    messages = loop.send((3 * DEPTH,))
    await loop.until([0 if i == blocked else 3 * DEPTH for i in range(CHANNELS)], 3000)
    kind = P["Width"] + P["IdBits"]
    sent = [f for f, *_ in loop.out.beats if not f >> kind and (f >> P["Width"]) % (1 << P["IdBits"]) == blocked]
    assert len(sent) == DEPTH
    loop.sinks[blocked].stall = 0.0
    await loop.until([3 * DEPTH] * CHANNELS, 3000)
    assert [s.sequences() for s in loop.sinks] == messages


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def fair_and_busy(dut: Any) -> None:
    """With enough credit for the round trip no cycle of the link is idle, and channels take turns."""
    loop = Loop(dut, Pace(), latency=2)
    await loop.bench.start()
    loop.send((3 * DEPTH,))
    await loop.until([3 * DEPTH] * CHANNELS, 3000)
    if DEPTH >= 16:
        order = [
            (f >> P["Width"]) % (1 << P["IdBits"]) for f, *_ in loop.out.beats if not f >> P["Width"] + P["IdBits"]
        ]
        steady = order[CHANNELS : CHANNELS * DEPTH]
        assert all(len(set(steady[i : i + CHANNELS])) == CHANNELS for i in range(0, len(steady) - CHANNELS, CHANNELS))
        assert loop.out.cycles[CHANNELS * DEPTH] - loop.out.cycles[0] <= CHANNELS * DEPTH + 2


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 5, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    loop = Loop(dut, Pace(0.1, 0.3))
    await loop.bench.start()
    loop.send((5, 20))
    await loop.step(cycles)
    await loop.bench.reset(1)
    loop.seen = 0
    messages = loop.send((2, 1))
    await loop.until([3] * CHANNELS, 1000)
    assert [s.sequences() for s in loop.sinks] == messages


@pytest.mark.parametrize(("channels", "depth"), [(3, 16), (1, 4)])
def test_party_link(channels: int, depth: int) -> None:
    run_bench(
        "party_link",
        __file__,
        {"Sends": channels, "Receives": channels, "Width": 16, "Depth": depth, "IdBits": 4},
    )
