# SPDX-License-Identifier: Apache-2.0
"""Bench of ring: every sequence passes a dummy body exactly Iterations times, with its own constants each time.

The body holds the tokens of a pass back until the final one is in, takes no more than `capacity` tokens, and changes
every beat by a rule that depends on the iteration it was told at `b_*`.
"""

import random
from collections import deque
from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, parameters, random_words

SEQUENCES = 40


def layer(word: int, iteration: int) -> int:
    """What the body does to a beat; layers do not commute."""
    return (word * (2 * iteration + 3) + iteration + 1) % (1 << parameters()["Width"])


class Body:
    """Moves passes from the sink at p_* to the source at q_*; one more port of the harness."""

    def __init__(self, bench: Harness, pace: Pace, capacity: int) -> None:
        self.passes = bench.sink("p", pace.stall, pace.patient)
        self.banks = bench.sink("b", pace.stall, pace.patient, ("data",))
        self.out = bench.source("q", pace.idle)
        self.capacity, self.stall = capacity * parameters()["Beats"], pace.stall
        bench.ports.append(self)  # type: ignore[arg-type]
        self.reset()

    def reset(self) -> None:
        """Forget what is inside."""
        self.taken = 0
        self.open: list[int] = []
        self.waiting: deque[list[int]] = deque()
        self.iterations: list[int] = []
        self.most_banks = 0

    def step(self, cycle: int) -> None:
        """One clock edge."""
        for word, last in self.passes.beats[self.taken :]:
            self.open.append(word)
            if last:
                self.waiting.append(self.open)
                self.open = []
        self.taken = len(self.passes.beats)
        told = [iteration for (iteration,) in self.banks.beats]
        while self.waiting and len(self.iterations) < len(told):
            iteration = told[len(self.iterations)]
            self.iterations.append(iteration)
            words = self.waiting.popleft()
            self.out.send_sequence([layer(word, iteration) for word in words])
        inside = self.taken - len(self.out.taken)
        # One more beat may be on its way in the cycle in which the sink closes.
        assert inside <= self.capacity + 1
        self.passes.stall = 1.0 if inside >= self.capacity else self.stall
        self.most_banks = max(self.most_banks, len(told) - sum(self.ends()))

    def ends(self) -> list[int]:
        """`last` of all beats that have left the body."""
        return [last for _, last in self.passes.beats[: len(self.out.taken)]]


class Ring:
    """The ring with its body, the sequences to send and the results to expect."""

    def __init__(self, dut: Any, pace: Pace, capacity: int | None = None) -> None:
        self.p = parameters()
        self.dut, self.bench = dut, Harness(dut)
        self.body = Body(self.bench, pace, capacity or self.p["MaxTokens"])
        self.lengths = self.bench.source("n", pace.idle, ("data",))
        self.tokens = self.bench.source("s", pace.idle)
        self.results: Sink = self.bench.sink("m", pace.stall, pace.patient)
        self.bench.ports.append(self)  # type: ignore[arg-type]
        self.reset()

    def reset(self) -> None:
        """Forget what was sent and seen."""
        self.sent: list[int] = []
        self.inside = self.tokens_seen = self.sequences_seen = 0

    def step(self, cycle: int) -> None:
        """Credit is never exceeded, and agrees with what went in and out, but for two beats in the output slice."""
        tokens, sequences = int(self.dut.tokens_in_flight.value), int(self.dut.sequences_in_flight.value)
        assert tokens <= self.p["Slots"] and sequences <= self.p["Sequences"]
        assert 0 <= self.inside - tokens <= 2
        gone = len(self.results.beats) // self.p["Beats"]
        self.inside = sum(self.sent[: len(self.lengths.taken)]) - gone
        self.tokens_seen, self.sequences_seen = max(self.tokens_seen, tokens), max(self.sequences_seen, sequences)

    def send(self, lengths: list[int]) -> list[list[int]]:
        """Queue sequences; returns the results."""
        self.sent = lengths
        expected = []
        for length in lengths:
            words = random_words(self.bench.rng, self.p["Width"], length * self.p["Beats"])
            self.lengths.send([(length,)])
            self.tokens.send_sequence(words)
            for iteration in range(self.p["Iterations"]):
                words = [layer(word, iteration) for word in words]
            expected.append(words)
        return expected

    def random_lengths(self, count: int) -> list[int]:
        """Lengths from 1 to the longest; many extremes."""
        most = self.p["MaxTokens"]
        return [self.bench.rng.choice([1, most, self.bench.rng.randint(1, most)]) for _ in range(count)]

    async def finish(self, expected: list[list[int]]) -> None:
        """All results came, in order of admission; nothing is left inside."""
        beats = sum(map(len, expected))
        await self.bench.finish({self.results: beats}, limit=3000 + 100 * beats * self.p["Iterations"])
        assert self.results.sequences() == expected
        assert len(self.body.iterations) == len(expected) * self.p["Iterations"]
        assert self.body.most_banks <= self.p["Sequences"] + 1
        assert int(self.dut.tokens_in_flight.value) == int(self.dut.sequences_in_flight.value) == 0


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, roomy=[False, True])
async def integrity(dut: Any, pace: Pace, roomy: bool) -> None:
    """The smallest body and one that holds everything; both limits of admission are reached."""
    ring = Ring(dut, pace, 2 * parameters()["Slots"] if roomy else None)
    await ring.bench.start()
    await ring.finish(ring.send(ring.random_lengths(SEQUENCES)))
    p = ring.p
    if pace.stall == 0.9 and p["Slots"] <= p["Sequences"] * p["MaxTokens"] // 2:
        assert ring.tokens_seen == p["Slots"]
    if pace.stall == 0.9 and p["Slots"] >= p["Sequences"] * p["MaxTokens"]:
        assert ring.sequences_seen == p["Sequences"]


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def uneven_stalls(dut: Any) -> None:
    """Each port has its own pace, and changes it."""
    ring = Ring(dut, Pace(0.2, 0.2))
    await ring.bench.start()
    expected = ring.send(ring.random_lengths(SEQUENCES))
    beats = sum(map(len, expected))
    rng = random.Random(ring.bench.seed)
    for _ in range(2000):
        for source in (ring.lengths, ring.tokens, ring.body.out):
            source.idle = rng.choice([0.0, 0.5, 0.95])
        ring.results.stall, ring.body.stall = rng.choice([0.0, 0.5, 1.0]), rng.choice([0.0, 0.5, 0.9])
        await ring.bench.step(rng.randint(1, 60))
        if len(ring.results.beats) >= beats:
            break
    for source in (ring.lengths, ring.tokens, ring.body.out):
        source.idle = 0.0
    ring.results.stall = ring.body.stall = 0.0
    await ring.finish(expected)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def blocked_output(dut: Any) -> None:
    """A reader that sleeps stops everything, and nothing is lost when it wakes."""
    ring = Ring(dut, Pace())
    await ring.bench.start()
    expected = ring.send(ring.random_lengths(SEQUENCES))
    for _ in range(3):
        ring.results.stall = 1.0
        await ring.bench.step(60 + 20 * ring.p["Slots"] * ring.p["Beats"] * ring.p["Iterations"])
        before = len(ring.body.passes.beats)
        await ring.bench.step(50)
        assert len(ring.body.passes.beats) == before
        ring.results.stall = 0.0
        await ring.bench.step(17)
    await ring.finish(expected)


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def waits_for_what_comes_first(dut: Any) -> None:
    """A length without tokens holds nobody up: what is in flight goes round and leaves."""
    ring = Ring(dut, Pace())
    await ring.bench.start()
    expected = ring.send([ring.p["MaxTokens"]])
    ring.lengths.send([(1,)])
    beats = len(expected[0])
    await ring.bench.until(lambda: len(ring.results.beats) == beats, 500 + 20 * beats * ring.p["Iterations"])
    assert ring.results.sequences() == expected and len(ring.lengths.taken) == 1


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def no_bubble(dut: Any) -> None:
    """With enough in flight for the way round, a beat enters the body in every cycle."""
    ring = Ring(dut, Pace(), 2 * parameters()["Slots"])
    p = ring.p
    if p["Slots"] * p["Beats"] < 3 * p["MaxTokens"] * p["Beats"] + 24 or p["Sequences"] < 8:
        return
    await ring.bench.start()
    expected = ring.send([p["MaxTokens"]] * SEQUENCES)
    await ring.finish(expected)
    steady = sum(map(len, expected)) * p["Iterations"] - p["Slots"] * p["Beats"] * p["Iterations"]
    cycles = ring.body.passes.cycles
    assert cycles[steady] - cycles[0] == steady


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 3, 11, 40, 150])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    """Reset forgets all sequences in flight; what follows is as after power-up."""
    ring = Ring(dut, Pace(0.1, 0.3))
    await ring.bench.start()
    ring.send(ring.random_lengths(SEQUENCES))
    await ring.bench.step(cycles)
    await ring.bench.reset(1)
    await ring.finish(ring.send(ring.random_lengths(5)))


@pytest.mark.parametrize(
    ("width", "beats", "slots", "most", "sequences", "iterations"),
    [(12, 2, 9, 5, 8, 3), (16, 1, 60, 8, 8, 6), (7, 3, 2, 2, 1, 2), (8, 1, 6, 3, 2, 1), (8, 1, 1, 1, 1, 2)],
)
def test_ring(width: int, beats: int, slots: int, most: int, sequences: int, iterations: int) -> None:
    run_bench(
        "ring",
        __file__,
        {
            "Width": width,
            "Beats": beats,
            "Slots": slots,
            "MaxTokens": most,
            "Sequences": sequences,
            "Iterations": iterations,
            "BankBits": max(1, (iterations - 1).bit_length()),
        },
    )
