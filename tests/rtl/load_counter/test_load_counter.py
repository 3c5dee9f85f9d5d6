# SPDX-License-Identifier: Apache-2.0
"""Bench of load_counter: `last` on every whole load, `loaded` only then; a short load never counts."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_words


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench, count = Harness(dut), parameters()["Words"]
    source = bench.source("s", pace.idle, ("data",))
    sink = bench.sink("w", pace.stall, pace.patient)
    await bench.start()
    if not count:
        assert int(dut.loaded.value) == 1
        source.send([(w,) for w in random_words(bench.rng, 32, 20)])
        await bench.until(lambda: source.empty, 2000)
        assert not sink.beats
        return
    words = random_words(bench.rng, 32, 3 * count)
    for index, word in enumerate(words):
        assert int(dut.loaded.value) == (index > 0 and index % count == 0)
        source.send([(word,)])
        await bench.until(lambda n=index: len(sink.beats) > n, 2000)  # type: ignore[misc]
        await bench.step()
    assert int(dut.loaded.value) == 1
    assert sink.beats == [(w, int(i % count == count - 1)) for i, w in enumerate(words)]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def reset_forgets_a_short_load(dut: Any) -> None:
    bench, count = Harness(dut), parameters()["Words"]
    if count < 2:
        return
    source, sink = bench.source("s", 0.0, ("data",)), bench.sink("w")
    await bench.start()
    source.send([(1,)] * (count - 1))
    await bench.step(count + 10)
    assert int(dut.loaded.value) == 0
    await bench.reset()
    sink.reset()
    source.send([(2,)] * count)
    await bench.step(count + 10)
    assert sink.beats == [(2, int(i == count - 1)) for i in range(count)] and int(dut.loaded.value) == 1


@pytest.mark.parametrize("words", [0, 1, 5])
def test_load_counter(words: int) -> None:
    run_bench("load_counter", __file__, {"Load": 32, "Words": words})
