# SPDX-License-Identifier: Apache-2.0
"""Bench of sequence_guard: whatever a sender does wrong, right sequences pass, and each wrong one is reported once.

The reference reads the same beats as the module, with the rules written down a second time.
"""

import random
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, parameters, random_words

DATA = ("data",)
InBeat = tuple[int, int, int, int]
"""data, keep, tag, last"""


class Cause(IntEnum):
    """Why a sequence was refused, as in sequence_guard.sv."""

    TOO_LONG = 0
    TOO_SHORT = 1
    UNFINISHED = 2
    RAGGED = 3


@dataclass
class Verdict:
    """What must come out: sequences with their tags, and errors."""

    sequences: list[list[int]] = field(default_factory=list)
    tags: list[int] = field(default_factory=list)
    errors: list[tuple[Cause, int]] = field(default_factory=list)


def least() -> int:
    """Tokens of the shortest sequence."""
    return parameters().get("MinTokens", 1)


def judge(beats: list[InBeat]) -> Verdict:
    """Cut the beats into sequences and sort the right ones from the wrong ones. An unfinished rest waits for ever."""
    verdict, words, tag, is_open, reported = Verdict(), [], 0, False, False
    p = parameters()
    most = p["MaxTokens"] * p["Beats"]

    def report(cause: Cause) -> None:
        nonlocal reported
        if not reported:
            verdict.errors.append((cause, tag))
        reported = True

    for word, keep, beat_tag, last in beats:
        if is_open and beat_tag != tag:
            report(Cause.UNFINISHED)
            is_open = False
        if not is_open:
            words, tag, is_open, reported = [], beat_tag, True, False
        words = [*words, word] if keep else words
        if len(words) > most:
            report(Cause.TOO_LONG)
        if last:
            if len(words) % p["Beats"]:
                report(Cause.RAGGED)
            elif len(words) < least() * p["Beats"]:
                report(Cause.TOO_SHORT)
            if not reported:
                verdict.sequences.append(words)
                verdict.tags.append(tag)
            is_open = False
    return verdict


def sequence(rng: random.Random, words: int, tag: int) -> list[InBeat]:
    """A sequence of so many data beats, as a tidy sender or one that sends null beats would."""
    p = parameters()
    beats: list[InBeat] = [(word, 1, tag, 0) for word in random_words(rng, p["Width"], words)]
    if rng.random() < 0.3:
        for _ in range(rng.randint(1, 3)):
            beats.insert(rng.randint(0, len(beats)), (rng.getrandbits(p["Width"]), 0, tag, 0))
    if not beats or rng.random() < 0.3:
        return [*beats, (rng.getrandbits(p["Width"]), 0, tag, 1)]
    return [*beats[:-1], (*beats[-1][:3], 1)]


def stream(rng: random.Random, count: int, wrong: float) -> list[InBeat]:
    """Sequences one after another with other tags, a part of them malformed in every way."""
    p = parameters()
    most = p["MaxTokens"]
    beats: list[InBeat] = []
    for i in range(count):
        tag = i % (1 << p["TagBits"])
        whole = rng.choice([least(), most, rng.randint(least(), most)]) * p["Beats"]
        kind = rng.choice(list(Cause)) if rng.random() < wrong else None
        if kind is Cause.TOO_LONG:
            beats += sequence(rng, most * p["Beats"] + rng.choice([1, p["Beats"], 7 * p["Beats"] + 1]), tag)
        elif kind is Cause.TOO_SHORT:
            beats += sequence(rng, rng.randint(0, least() - 1) * p["Beats"], tag)
        elif kind is Cause.UNFINISHED:
            rest = sequence(rng, rng.choice([whole, most * p["Beats"] + 3]), tag)
            beats += rest[: rng.randint(1, len(rest) - 1)] if len(rest) > 1 else []
        elif kind is Cause.RAGGED and p["Beats"] > 1:
            beats += sequence(rng, rng.choice([1, whole - 1, whole]) if whole > 1 else 1, tag)
        else:
            beats += sequence(rng, whole, tag)
    # The end is right, so that the final error is due.
    return beats + sequence(rng, least() * p["Beats"], count % (1 << p["TagBits"]))


class Guard:
    """The module with its ports."""

    def __init__(self, dut: Any, pace: Pace = PACES[0]) -> None:
        self.bench = Harness(dut)
        self.source = self.bench.source("s", pace.idle, ("data", "keep", "tag", "last"))
        self.data: Sink = self.bench.sink("m", pace.stall, pace.patient)
        self.lengths, self.tags, self.errors = (
            self.bench.sink(name, pace.stall, pace.patient, DATA) for name in ("n", "t", "e")
        )

    async def finish(self, beats: list[InBeat]) -> Verdict:
        """Send the beats; everything that is due came, and nothing else."""
        p = parameters()
        due = judge(beats)
        self.source.send(beats)
        counts = {
            self.data: sum(map(len, due.sequences)),
            self.lengths: len(due.sequences),
            self.tags: len(due.tags),
            self.errors: len(due.errors),
        }
        await self.bench.finish(counts, limit=1000 + 60 * len(beats))
        assert self.data.sequences() == due.sequences
        assert self.lengths.words == [len(words) // p["Beats"] for words in due.sequences]
        assert self.tags.words == due.tags
        assert self.errors.words == [cause << p["TagBits"] | tag for cause, tag in due.errors]
        return due


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, wrong=[0.0, 0.5, 0.9])
async def integrity(dut: Any, pace: Pace, wrong: float) -> None:
    guard = Guard(dut, pace)
    await guard.bench.start()
    due = await guard.finish(stream(guard.bench.rng, 80, wrong))
    causes = set(Cause) - ({Cause.RAGGED} if parameters()["Beats"] == 1 else set())
    assert {cause for cause, _ in due.errors} == (causes if wrong else set()) and due.sequences


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def nothing_passes_before_its_end(dut: Any) -> None:
    """A sender that sleeps in the middle of a sequence stalls nobody; an error is there before the next beat."""
    guard = Guard(dut)
    await guard.bench.start()
    rng, p = guard.bench.rng, parameters()
    first, second = (
        [(word, 1, tag, 0) for word in random_words(rng, p["Width"], p["MaxTokens"] * p["Beats"])] for tag in (0, 1)
    )
    guard.source.send(first)
    await guard.bench.step(len(first) + 30)
    assert guard.source.empty and not guard.data.beats and not guard.lengths.beats and not guard.tags.beats
    guard.source.send(second)
    await guard.bench.step(len(second) + 30)
    assert guard.errors.words == [Cause.UNFINISHED << p["TagBits"]]
    guard.source.send([(0, 0, 1, 1)])
    await guard.bench.step(len(second) + 30)
    assert guard.data.words == [word for word, _, _, _ in second]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def too_long_is_reported_at_once(dut: Any) -> None:
    """Also while the sender goes on for ever; a tag that changes then is no second error."""
    guard = Guard(dut)
    await guard.bench.start()
    p = parameters()
    guard.source.send([(0, 1, 0, 0)] * (p["MaxTokens"] * p["Beats"] + 1))
    await guard.bench.step(p["MaxTokens"] * p["Beats"] + 20)
    assert guard.errors.words == [Cause.TOO_LONG << p["TagBits"]]
    guard.source.send([(0, 1, 0, 0)] * 100)
    guard.source.send(sequence(guard.bench.rng, p["Beats"], 1))
    await guard.bench.finish({guard.data: p["Beats"], guard.tags: 1, guard.errors: 1}, limit=300)


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def unread_errors_stop_the_sender(dut: Any) -> None:
    """Errors wait for their reader; what was taken before goes on, and none is lost."""
    guard = Guard(dut)
    await guard.bench.start()
    guard.errors.stall = 1.0
    p = parameters()
    errors = 2 * p["Sequences"] + 8
    good = sequence(guard.bench.rng, p["Beats"], 1)
    beats = good + [(0, 0, i % 2, 1) for i in range(errors)]
    guard.source.send(beats)
    await guard.bench.step(100)
    assert not guard.source.empty and len(guard.data.beats) == p["Beats"] and not guard.errors.beats
    guard.errors.stall = 0.0
    await guard.bench.finish({guard.errors: errors}, limit=200)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20, 60])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    guard = Guard(dut, Pace(0.1, 0.5))
    await guard.bench.start()
    guard.source.send(stream(guard.bench.rng, 30, 0.5))
    await guard.bench.step(cycles)
    await guard.bench.reset(1)
    await guard.finish(stream(guard.bench.rng, 4, 0.5))


@pytest.mark.parametrize(
    ("width", "beats", "most", "depth", "tag_bits", "sequences"),
    [(16, 1, 8, 19, 6, 4), (7, 3, 4, 4, 1, 1), (1, 1, 1, 1, 2, 2)],
)
def test_sequence_guard(width: int, beats: int, most: int, depth: int, tag_bits: int, sequences: int) -> None:
    sizes = {"Width": width, "Beats": beats, "MaxTokens": most, "Depth": depth}
    run_bench("sequence_guard", __file__, sizes | {"TagBits": tag_bits, "Sequences": sequences})


def test_shortest_sequence() -> None:
    """A design whose sequences have a least length, e.g. pictures of one size."""
    sizes = {"Width": 7, "Beats": 2, "MinTokens": 3, "MaxTokens": 4, "Depth": 8, "TagBits": 4, "Sequences": 2}
    run_bench("sequence_guard", __file__, sizes, tests="integrity")
