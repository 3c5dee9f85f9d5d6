# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_scatter: results side by side leave as one token after another, without a bubble."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Source, parameters, random_words

FIELDS = ("data", "count", "last")


def send(bench: Harness, source: Source, lengths: tuple[int, ...]) -> list[list[int]]:
    """Queue sequences of so many tokens; the words to expect per sequence. Absent tokens carry noise."""
    p = parameters()
    width, words = p["Width"], p["Words"]
    expected = []
    for length in lengths:
        tokens = [random_words(bench.rng, width, words) for _ in range(length)]
        for start in range(0, length, p["Tokens"]):
            group = tokens[start : start + p["Tokens"]]
            for b in range(words):
                data = sum(token[b] << t * width for t, token in enumerate(group))
                noise = bench.rng.getrandbits(p["Tokens"] * width) >> len(group) * width << len(group) * width
                final = start + len(group) == length and b == words - 1
                source.send([(data | noise, len(group), int(final))])
        expected.append([word for token in tokens for word in token])
    return expected


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    source = bench.source("s", pace.idle, FIELDS)
    sink = bench.sink(stall=pace.stall, patient=pace.patient)
    await bench.start()
    expected = send(bench, source, (1, 2, 5, 1, 1, 7, 4))
    await bench.finish({sink: sum(map(len, expected))}, limit=20000)
    assert sink.sequences() == expected
    assert pace.idle or pace.patient or sink.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 5, 11, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Harness(dut)
    source, sink = bench.source("s", 0.0, FIELDS), bench.sink(stall=0.4)
    await bench.start()
    send(bench, source, (9, 9))
    await bench.step(cycles)
    await bench.reset(1)
    expected = send(bench, source, (3, 1))
    await bench.finish({sink: sum(map(len, expected))}, limit=2000)
    assert sink.sequences() == expected


@pytest.mark.parametrize(("width", "words", "tokens"), [(8, 4, 2), (5, 3, 4), (12, 1, 3), (7, 2, 1)])
def test_stream_scatter(width: int, words: int, tokens: int) -> None:
    run_bench("stream_scatter", __file__, {"Width": width, "Words": words, "Tokens": tokens})
