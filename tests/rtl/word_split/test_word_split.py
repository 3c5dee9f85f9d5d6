# SPDX-License-Identifier: Apache-2.0
"""Bench of word_split: every byte once and in order, and a final beat that is not whole says so."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Sink, Source
from gatewright.sim.streams import PACES, Beat, Harness, Pace, parameters


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    bench = Harness(dut)
    source = bench.source(idle=pace.idle, fields=("data", "bytes", "last"))
    sink = bench.sink(stall=pace.stall, patient=pace.patient, fields=("data", "ragged", "last"))
    return bench, source, sink


def send(bench: Harness, source: Source, packets: int) -> list[bytes]:
    """Random packets; some end inside a word, some inside a beat, some have no byte."""
    word, beat = parameters()["WordBytes"], parameters()["BeatBytes"]
    found = []
    for _ in range(packets):
        size = bench.rng.choice((0, 1, word, beat, 3 * beat, bench.rng.randint(1, 6 * max(word, beat))))
        data = bench.rng.randbytes(size)
        parts = [data[i : i + word] for i in range(0, size, word)] or [b""]
        noise = [bench.rng.randbytes(word - len(p)) for p in parts]
        beats = [(int.from_bytes(p + n, "little"), len(p), 0) for p, n in zip(parts, noise, strict=True)]
        source.send([*beats[:-1], (*beats[-1][:2], 1)])
        found.append(data)
    return found


def check(beats: list[Beat], packets: list[bytes]) -> None:
    size, at = parameters()["BeatBytes"], 0
    for data in packets:
        count = max(1, -(-len(data) // size))
        for i, (value, ragged, last) in enumerate(beats[at : at + count]):
            part = data[i * size : (i + 1) * size]
            assert (ragged, last) == (int(len(part) < size), int(i == count - 1))
            if not ragged:
                assert value == int.from_bytes(part, "little")
        at += count
    assert at == len(beats)


def beats(packets: list[bytes]) -> int:
    return sum(max(1, -(-len(p) // parameters()["BeatBytes"])) for p in packets)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench, source, sink = ports(dut, pace)
    await bench.start()
    packets = send(bench, source, 25)
    await bench.finish({sink: beats(packets)}, limit=20000)
    check(sink.beats, packets)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 5, 8])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench, source, sink = ports(dut, Pace(0.1, 0.5))
    await bench.start()
    send(bench, source, 10)
    await bench.step(cycles)
    await bench.reset(1)
    packets = send(bench, source, 4)
    await bench.finish({sink: beats(packets)}, limit=2000)
    check(sink.beats, packets)


@pytest.mark.parametrize(("word", "beat"), [(4, 4), (8, 64), (16, 4)])
def test_word_split(word: int, beat: int) -> None:
    run_bench("word_split", __file__, {"WordBytes": word, "BeatBytes": beat})
