# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_decimate: kept beats only, `last` on the final one, and none waits longer than it must."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, parameters, random_words

FIELDS = ("data", "keep", "next", "last")


def sequence(bench: Harness, length: int) -> list[Beat]:
    """Random beats of which at least one is kept."""
    keep = [int(bench.rng.random() < 0.4) for _ in range(length)]
    keep[bench.rng.randrange(length)] = 1
    words = random_words(bench.rng, parameters()["Width"], length)
    # Behind the final beat nothing follows, so that `next` may be anything there.
    following = [*keep[1:], bench.rng.getrandbits(1)]
    return [(w, k, n, int(i == length - 1)) for i, (w, k, n) in enumerate(zip(words, keep, following, strict=True))]


def kept(beats: list[Beat]) -> list[int]:
    return [data for data, keep, _, _ in beats if keep]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    source = bench.source(idle=pace.idle, fields=FIELDS)
    sink = bench.sink(stall=pace.stall, patient=pace.patient)
    await bench.start()
    sequences = [sequence(bench, n) for n in (1, 2, 3, 1, 1, 17, 40, 2)]
    for beats in sequences:
        source.send(beats)
    wanted = [kept(beats) for beats in sequences]
    await bench.finish({sink: sum(map(len, wanted))}, limit=5000)
    assert sink.sequences() == wanted


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def leaves_when_decided(dut: Any) -> None:
    """The kept beat leaves with the beat before the next kept one, and with the final beat."""
    bench = Harness(dut)
    source, sink = bench.source(fields=FIELDS), bench.sink()
    await bench.start()
    # kept and decided; held; dropped; decides; held; decides as the last
    source.send([(1, 1, 1, 0), (0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 1, 0), (1, 1, 0, 0), (0, 0, 0, 1)])
    await bench.finish({sink: 3}, limit=50)
    assert source.taken == list(range(source.taken[0], source.taken[0] + 6))
    assert [source.taken.index(c) for c in sink.cycles] == [0, 3, 5]
    assert sink.sequences() == [[1, 0, 1]]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Harness(dut)
    source, sink = bench.source(idle=0.2, fields=FIELDS), bench.sink(stall=0.6)
    await bench.start()
    source.send(sequence(bench, 40))
    await bench.step(cycles)
    await bench.reset(1)
    beats = sequence(bench, 9)
    source.send(beats)
    await bench.finish({sink: len(kept(beats))}, limit=200)
    assert sink.sequences() == [kept(beats)]


@pytest.mark.parametrize("width", [1, 8, 67])
def test_stream_decimate(width: int) -> None:
    run_bench("stream_decimate", __file__, {"Width": width})
