# SPDX-License-Identifier: Apache-2.0
"""Bench of ring_merge: whole passes, returned ones first, `last` from the length, a descriptor and a bank for each."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_words

DATA = ("data",)


class Merge:
    """The module with a side for new sequences and one for returned passes."""

    def __init__(self, dut: Any, pace: Pace = PACES[0]) -> None:
        self.p = parameters()
        self.dut, self.bench = dut, Harness(dut)
        self.new = self.bench.source("s", pace.idle), self.bench.source("n", pace.idle, DATA)
        self.returned = self.bench.source("r", pace.idle, DATA), self.bench.source("i", pace.idle, DATA)
        self.passes = self.bench.sink("p", pace.stall, pace.patient)
        self.banks = self.bench.sink("b", pace.stall, pace.patient, DATA)
        self.descriptors = self.bench.sink("d", fields=DATA)
        dut.open.value = 1

    def words(self, length: int, side: int) -> list[int]:
        """Beats of one pass, marked with their side in the lowest bit."""
        return [word & ~1 | side for word in random_words(self.bench.rng, self.p["Width"], length * self.p["Beats"])]

    def send_new(self, length: int) -> list[int]:
        """Queue a new sequence."""
        words = self.words(length, 0)
        self.new[0].send_sequence(words)
        self.new[1].send([(length,)])
        return words

    def send_returned(self, iteration: int, length: int) -> list[int]:
        """Queue a returned pass."""
        words = self.words(length, 1)
        self.returned[0].send([(word,) for word in words])
        self.returned[1].send([(self.descriptor(iteration, length),)])
        return words

    def descriptor(self, iteration: int, length: int) -> int:
        """As the module packs it."""
        return iteration << self.p["LengthBits"] | length

    def random_length(self) -> int:
        """From 1 to the longest."""
        return self.bench.rng.randint(1, (1 << self.p["LengthBits"]) - 1)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    """Passes of both sides come out whole, in the order of their side, each announced once."""
    merge = Merge(dut, pace)
    await merge.bench.start()
    sent: tuple[list[list[int]], list[list[int]]] = ([], [])
    announced: tuple[list[int], list[int]] = ([], [])
    for _ in range(25):
        length = merge.random_length()
        sent[0].append(merge.send_new(length))
        announced[0].append(merge.descriptor(0, length))
        length, iteration = merge.random_length(), merge.bench.rng.randrange(1, 1 << merge.p["IterationBits"])
        sent[1].append(merge.send_returned(iteration, length))
        announced[1].append(merge.descriptor(iteration, length))
    beats = sum(len(words) for side in sent for words in side)
    counts = {merge.passes: beats, merge.banks: 50, merge.descriptors: 50}
    await merge.bench.finish(counts, limit=500 + 30 * beats)
    passes = merge.passes.sequences()
    sides = [words[0] & 1 for words in passes]
    told = merge.descriptors.words
    for side in (0, 1):
        assert [words for words, s in zip(passes, sides, strict=True) if s == side] == sent[side]
        assert [d for d, s in zip(told, sides, strict=True) if s == side] == announced[side]
    assert merge.banks.words == [d >> merge.p["LengthBits"] for d in told]
    if pace == Pace():
        assert sides == [1] * 25 + [0] * 25, "what returns goes first"
        assert merge.passes.gaps == 0


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def closed_to_new_ones(dut: Any) -> None:
    """Without `open` no new sequence begins, but one that has begun ends, and returned passes go on."""
    merge = Merge(dut)
    await merge.bench.start()
    dut.open.value = 0
    new = merge.send_new(3)
    await merge.bench.step(20)
    assert not merge.passes.beats and not merge.descriptors.beats
    dut.open.value = 1
    await merge.bench.step(2)
    dut.open.value = 0
    returned = merge.send_returned(1, 2)
    merge.send_new(1)
    await merge.bench.step(60)
    assert merge.passes.sequences() == [new, returned]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def takes_what_is_there(dut: Any) -> None:
    """A length or a descriptor without a beat holds the other side up no longer than that beat is missing."""
    merge = Merge(dut)
    await merge.bench.start()
    merge.new[1].send([(1,)])
    returned = merge.send_returned(1, 2)
    await merge.bench.step(40)
    assert merge.passes.sequences() == [returned]
    merge.returned[1].send([(merge.descriptor(1, 1),)])
    new = merge.words(1, 0)
    merge.new[0].send_sequence(new)
    await merge.bench.step(20)
    assert merge.passes.sequences() == [returned, new]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    merge = Merge(dut, Pace(0.1, 0.5))
    await merge.bench.start()
    for _ in range(5):
        merge.send_new(3)
        merge.send_returned(1, 3)
    await merge.bench.step(cycles)
    await merge.bench.reset(1)
    new = merge.send_new(2)
    await merge.bench.finish({merge.passes: len(new), merge.banks: 1, merge.descriptors: 1}, limit=200)
    assert merge.passes.sequences() == [new]


@pytest.mark.parametrize(("width", "beats", "iteration_bits", "length_bits"), [(8, 1, 1, 3), (17, 3, 3, 2)])
def test_ring_merge(width: int, beats: int, iteration_bits: int, length_bits: int) -> None:
    sizes = {"Width": width, "Beats": beats, "IterationBits": iteration_bits, "LengthBits": length_bits}
    run_bench("ring_merge", __file__, sizes)
