# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_replay: vectors side by side, sent Times times, no bubble while Tokens <= Times."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, parameters, random_sequences

FIELDS = ("data", "count", "last")
LENGTHS = (1, 2, 5, 1, 1, 7, 4)


def replayed(sequence: list[int]) -> list[Beat]:
    """Beats of one sequence; places of absent vectors are zero."""
    p = parameters()
    words = p["Words"]
    vectors = [sequence[i : i + words] for i in range(0, len(sequence), words)]
    groups = [vectors[i : i + p["Tokens"]] for i in range(0, len(vectors), p["Tokens"])]
    beats = [
        (sum(v[b] << t * p["Width"] for t, v in enumerate(group)), len(group), 0)
        for group in groups
        for _ in range(p["Times"])
        for b in range(words)
    ]
    return [*beats[:-1], (*beats[-1][:2], 1)]


def seen(sink: Sink) -> list[Beat]:
    """The sink's beats with the places of absent vectors cleared."""
    width = parameters()["Width"]
    return [(data & (1 << count * width) - 1, count, last) for data, count, last in sink.beats]


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    p = parameters()
    source, sink = bench.source(idle=pace.idle), bench.sink("m", pace.stall, pace.patient, FIELDS)
    await bench.start()
    sequences = random_sequences(bench.rng, p["Width"], [n * p["Words"] for n in LENGTHS])
    for words in sequences:
        source.send_sequence(words)
    expected = [beat for words in sequences for beat in replayed(words)]
    await bench.finish({sink: len(expected)}, limit=20000)
    assert seen(sink) == expected
    if p["Tokens"] <= p["Times"] and not pace.idle and not pace.patient:
        assert sink.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 5, 11, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Harness(dut)
    p = parameters()
    source, sink = bench.source(), bench.sink("m", 0.4, fields=FIELDS)
    await bench.start()
    source.send_sequence([0] * (9 * p["Words"]))
    await bench.step(cycles)
    await bench.reset(1)
    sequences = random_sequences(bench.rng, p["Width"], [n * p["Words"] for n in (3, 1)])
    for words in sequences:
        source.send_sequence(words)
    expected = [beat for words in sequences for beat in replayed(words)]
    await bench.finish({sink: len(expected)}, limit=2000)
    assert seen(sink) == expected


@pytest.mark.parametrize(
    ("width", "words", "times", "tokens"), [(8, 4, 2, 1), (5, 3, 4, 4), (12, 1, 3, 2), (7, 2, 1, 3)]
)
def test_stream_replay(width: int, words: int, times: int, tokens: int) -> None:
    run_bench("stream_replay", __file__, {"Width": width, "Words": words, "Times": times, "Tokens": tokens})
