# SPDX-License-Identifier: Apache-2.0
"""Bench of top_k_sorter: the best candidates in order, equal scores by arrival, masked ones never; exact pace."""

from typing import Any

import cocotb
import numpy as np
import pytest
from rtl.attention_bench import word

from gatewright.fixed import Ints
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    bench = Harness(dut)
    return (
        bench,
        bench.source("s", pace.idle, ("data", "keep", "base", "last")),
        bench.sink("m", pace.stall, pace.patient, ("data", "empty", "last")),
    )


def best(scores: Ints, keep: Ints, top: int) -> Ints:
    """Indices of the `top` greatest kept scores, best first; the lowest index first among equals."""
    order = np.lexsort((np.arange(len(scores)), -scores))
    return order[keep[order] == 1][:top]


def queue(source: Source, scores: Ints, keep: Ints) -> list[Beat]:
    """Send one list; the beats to expect."""
    p = parameters()
    keys, top, width = p["Keys"], p["Top"], p["ScoreWidth"]
    blocks = len(scores) // keys
    # Numbers of beats need not start at 0: a list lies somewhere in a ring.
    first = int(scores[0]) % (1 << p["BaseWidth"])
    names = [(first + b) % (1 << p["BaseWidth"]) for b in range(blocks)]
    for b, name in enumerate(names):
        part = slice(b * keys, (b + 1) * keys)
        source.send([(word(scores[part], width), word(keep[part], 1), name, int(b == blocks - 1))])
    found = [names[i // keys] * keys + i % keys for i in best(scores, keep, top).tolist()]
    return [(f, 0, int(i == len(found) - 1)) for i, f in enumerate(found)] or [(-1, 1, 1)]


def random_list(rng: np.random.Generator, beats: int) -> tuple[Ints, Ints]:
    """Scores of few or many different values, and which of them count: all, most, few or none."""
    p = parameters()
    count, half = beats * p["Keys"], 1 << p["ScoreWidth"] - 1
    spread = int(rng.choice([1, 2, 4, half]))
    scores = rng.integers(-spread, spread, count) if rng.random() < 0.8 else np.sort(rng.integers(-half, half, count))
    share = float(rng.choice([1.0, 0.9, 0.2, 0.0], p=[0.5, 0.3, 0.15, 0.05]))
    return scores, (rng.random(count) < share).astype(np.int64)


def same(beats: list[Beat], expected: list[Beat]) -> bool:
    """Equal; what an empty list puts out as data does not matter."""
    return len(beats) == len(expected) and all(
        b[1:] == e[1:] and (e[1] or b[0] == e[0]) for b, e in zip(beats, expected, strict=True)
    )


def send(bench: Harness, source: Source, lists: int) -> list[Beat]:
    rng = np.random.default_rng(bench.seed)
    most = 1 << parameters()["BaseWidth"]
    drawn = [random_list(rng, int(rng.integers(1, most + 1))) for _ in range(lists)]
    return [beat for scores, keep in drawn for beat in queue(source, scores, keep)]


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def exact(dut: Any, pace: Pace) -> None:
    bench, source, sink = ports(dut, pace)
    await bench.start()
    expected = send(bench, source, 1500 if pace == PACES[0] else 150)
    await bench.finish({sink: len(expected)}, limit=60_000)
    assert same(sink.beats, expected)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(beats=[1, 2, 3, 8])
async def pace_is_exact(dut: Any, beats: int) -> None:
    """Lists follow each other in max(beats, entries) cycles."""
    bench, source, sink = ports(dut, PACES[0])
    p = parameters()
    await bench.start()
    count = beats * p["Keys"]
    rng = np.random.default_rng(bench.seed)
    expected = []
    for _ in range(20):
        expected += queue(source, rng.integers(-2, 2, count), np.ones(count, np.int64))
    await bench.finish({sink: len(expected)}, limit=2000)
    assert same(sink.beats, expected)
    entries = min(count, p["Top"])
    ends = sink.cycles[entries - 1 :: entries]
    assert set(np.diff(ends)) == {max(beats, entries)}


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 10, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench, source, sink = ports(dut, Pace(0.2, 0.6))
    await bench.start()
    send(bench, source, 20)
    await bench.step(cycles)
    await bench.reset(1)
    expected = send(bench, source, 6)
    await bench.finish({sink: len(expected)}, limit=2000)
    assert same(sink.beats, expected)


@pytest.mark.parametrize(("keys", "top", "width"), [(4, 5, 6), (1, 3, 4), (2, 1, 5), (8, 30, 9)])
def test_top_k_sorter(keys: int, top: int, width: int) -> None:
    run_bench("top_k_sorter", __file__, {"Keys": keys, "Top": top, "ScoreWidth": width, "BaseWidth": 3})
