# SPDX-License-Identifier: Apache-2.0
"""Bench of word_join: every byte once and in order; the final word, and only it, has `last` and may be short."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Pin
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_words


class Bench:
    """One run at a time: beats, then `flush` until `done`."""

    def __init__(self, dut: Any, pace: Pace) -> None:
        self.dut, self.harness = dut, Harness(dut)
        dut.flush.value = 0
        self.done = Pin(dut.done)
        self.source = self.harness.source(idle=pace.idle, fields=("data",))
        self.sink = self.harness.sink(stall=pace.stall, patient=pace.patient, fields=("data", "bytes", "last"))

    async def run(self, count: int) -> None:
        size, word = parameters()["BeatBytes"], parameters()["WordBytes"]
        values = random_words(self.harness.rng, 8 * size, count)
        self.source.send([(v,) for v in values])
        await self.harness.until(lambda: self.source.empty, 20 * count * max(1, size // word) + 500)
        assert not any(last for *_, last in self.sink.beats)
        self.dut.flush.value = 1
        await self.harness.until(lambda: bool(self.done.get()), 500)
        self.dut.flush.value = 0
        await self.harness.step(5)
        self.check(b"".join(v.to_bytes(size, "little") for v in values))

    def check(self, data: bytes) -> None:
        word, found = parameters()["WordBytes"], b""
        *middle, final = self.sink.beats
        assert all((count, last) == (word, 0) for _, count, last in middle)
        assert final[2] == 1 and (final[1] > 0 or not data)
        for value, count, _ in self.sink.beats:
            found += value.to_bytes(word, "little")[:count]
        # Whoever writes whole words must not write noise.
        assert final[0] >> 8 * final[1] == 0
        assert found == data
        self.sink.beats.clear()


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Bench(dut, pace)
    await bench.harness.start()
    for count in (0, 1, 2, 8, 0, 16, 17, 40):
        await bench.run(count)


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 5, 9])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Bench(dut, Pace(0.1, 0.3))
    await bench.harness.start()
    bench.source.send([(1,)] * 30)
    await bench.harness.step(cycles)
    await bench.harness.reset(1)
    bench.sink.beats.clear()
    await bench.run(5)


@pytest.mark.parametrize(("beat", "word"), [(1, 8), (4, 4), (64, 8)])
def test_word_join(beat: int, word: int) -> None:
    run_bench("word_join", __file__, {"WordBytes": word, "BeatBytes": beat})
