# SPDX-License-Identifier: Apache-2.0
"""Bench of load_rows: writes its part of the load chain as whole rows, and passes the rest on."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, Source, parameters, random_words

LIMIT = 20000


class Ports:
    """The module with its load chain, and what it has written."""

    def __init__(self, dut: Any, pace: Pace = PACES[0]) -> None:
        p = parameters()
        self.dut, self.bench = dut, Harness(dut)
        self.rows, self.width, self.word = p["Rows"], p["Width"], p["Load"]
        self.w: Source = self.bench.source("w", pace.idle)
        self.x: Sink = self.bench.sink("x", pace.stall, pace.patient)
        self.memory: dict[int, int] = {}

    def load(self, extra: int) -> tuple[list[int], list[int]]:
        """Queue random rows and `extra` words for later stores; returns rows and extra words."""
        rows = random_words(self.bench.rng, self.width, self.rows)
        chunks = -(-self.width // self.word)
        words = [row >> self.word * c & ((1 << self.word) - 1) for row in rows for c in range(chunks)]
        later = random_words(self.bench.rng, self.word, extra)
        self.w.send_sequence(words + later)
        return rows, later

    async def watch(self, done: Any) -> None:
        """Step until `done`, collecting the writes."""
        for _ in range(LIMIT):
            if done():
                return
            await self.bench.step()
            if self.dut.write.value:
                # Only the first word of another load comes while the old rows are still complete.
                assert not self.loaded or not self.memory
                self.memory[int(self.dut.row.value)] = int(self.dut.data.value)
        raise AssertionError("time ran out")

    @property
    def loaded(self) -> bool:
        return bool(self.dut.loaded.value)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, extra=[0, 1, 9])
async def load_twice(dut: Any, pace: Pace, extra: int) -> None:
    """Every row is written once before `loaded`; words of later stores pass; a second load replaces the first."""
    ports = Ports(dut, pace)
    await ports.bench.start()
    for _ in range(2):
        ports.memory.clear()
        rows, later = ports.load(extra)
        seen = len(ports.x.beats)
        await ports.watch(lambda end=seen + extra: ports.w.empty and len(ports.x.beats) == end)
        await ports.bench.step(2)
        assert ports.loaded
        assert ports.memory == dict(enumerate(rows))
        assert ports.x.beats[seen:] == [(word, int(i == extra - 1)) for i, word in enumerate(later)]


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 3, 7])
async def reset_forgets_the_load(dut: Any, cycles: int) -> None:
    ports = Ports(dut)
    await ports.bench.start()
    ports.load(2)
    await ports.bench.step(cycles)
    await ports.bench.reset(1)
    ports.x.reset()
    await ports.bench.step()
    assert not ports.loaded
    rows, later = ports.load(2)
    await ports.watch(lambda: ports.w.empty and len(ports.x.beats) == 2)
    assert ports.memory == dict(enumerate(rows)) and ports.x.words == later


@pytest.mark.parametrize(("rows", "width", "load"), [(4, 70, 32), (1, 64, 128)])
def test_load_rows(rows: int, width: int, load: int) -> None:
    values = {"Rows": rows, "Width": width, "Load": load}
    run_bench("load_rows", __file__, values)
