# SPDX-License-Identifier: Apache-2.0
"""Bench of store: keeps its part of the load chain, passes the rest on, and sends whole rounds of rows."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, Source, parameters, random_words

LIMIT = 20000


class Ports:
    """A store with its load chain and reader."""

    def __init__(self, dut: Any, pace: Pace = PACES[0]) -> None:
        p = parameters()
        self.bench = Harness(dut)
        self.depth, self.width = p["Depth"], p["Width"]
        self.w: Source = self.bench.source("w", pace.idle)
        self.x: Sink = self.bench.sink("x", pace.stall)
        self.m: Sink = self.bench.sink("m", pace.stall, pace.patient, ("data",))
        self.banks: Source = self.bench.source("b", fields=("data",))

    def load(self, extra: int = 0) -> tuple[list[int], list[int]]:
        """Queue a load of random rows and of `extra` words for later stores; returns rows and extra words."""
        rows = random_words(self.bench.rng, self.width, self.depth * parameters()["Banks"])
        words = [row >> 32 * c & 0xFFFFFFFF for row in rows for c in range(-(-self.width // 32))]
        # The bits above a row's end are nobody's.
        spare = -self.width % 32
        if spare:
            chunks = len(words) // len(rows)
            words = [
                w | self.bench.rng.getrandbits(spare) << 32 - spare if i % chunks == chunks - 1 else w
                for i, w in enumerate(words)
            ]
        later = random_words(self.bench.rng, 32, extra)
        self.w.send_sequence(words + later)
        return rows, later


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, extra=[0, 1, 9])
async def rounds(dut: Any, pace: Pace, extra: int) -> None:
    """No row before the store's own last word; then round after round; the rest of the chain is passed on."""
    ports = Ports(dut, pace)
    await ports.bench.start()
    rows, later = ports.load(extra)
    count = 3 * ports.depth + 1
    own = ports.depth * -(-ports.width // 32)
    await ports.bench.until(lambda: len(ports.m.beats) >= count and len(ports.x.beats) == extra, LIMIT)
    assert ports.w.empty
    assert ports.m.words[:count] == (rows * 4)[:count]
    assert ports.m.cycles[0] > ports.w.taken[own - 1]
    assert ports.x.beats == [(word, int(i == extra - 1)) for i, word in enumerate(later)]
    # One row per cycle from the first one on.
    assert ports.m.patient or ports.m.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(taken=[0, 1, 2, 5], extra=[0, 3])
async def reload(dut: Any, taken: int, extra: int) -> None:
    """A new load waits for the end of the round; then only new rows come, from the first one."""
    ports = Ports(dut, Pace(stall=1.0))
    bench, m = ports.bench, ports.m
    ports.x.stall = 0.0
    await bench.start()
    old, _ = ports.load(extra)
    await bench.until(lambda: ports.w.empty, LIMIT)
    m.stall = 0.0
    await bench.until(lambda: len(m.beats) == taken, LIMIT)
    m.stall = 1.0
    await bench.step(3)
    # The reader may have taken one row more while it was being stopped.
    done = len(m.beats)
    before = len(ports.w.taken)
    m.withdraws = True
    new, later = ports.load(extra)
    await bench.step(30 * ports.depth)
    if done % ports.depth:
        assert len(ports.w.taken) == before, "a load began in the middle of a round"
    m.stall = 0.0
    rest = -done % ports.depth
    await bench.until(lambda: len(m.beats) >= done + rest + 2 * ports.depth, LIMIT)
    assert m.words[: done + rest] == (old * 9)[: done + rest]
    assert m.words[done + rest :][: 2 * ports.depth] == new * 2
    assert [b[0] for b in ports.x.beats][extra:] == later


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 3, 6, 9, 10, 25])
async def reset_forgets_the_load(dut: Any, cycles: int) -> None:
    ports = Ports(dut)
    await ports.bench.start()
    ports.load(2)
    await ports.bench.step(cycles)
    await ports.bench.reset(1)
    await ports.bench.step(40)
    assert not ports.m.beats and not ports.x.beats
    rows, later = ports.load(2)
    await ports.bench.until(lambda: len(ports.m.beats) >= ports.depth and len(ports.x.beats) == 2, LIMIT)
    assert ports.m.words[: ports.depth] == rows and ports.x.words == later


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def banked_rounds(dut: Any, pace: Pace) -> None:
    """Every beat of the bank port brings one round of that bank; a reload comes between two rounds."""
    ports = Ports(dut, pace)
    ports.banks.idle = pace.idle
    await ports.bench.start()
    for _ in range(2):
        ports.m.withdraws = True
        rows, _ = ports.load(3)
        await ports.bench.until(lambda: ports.w.empty, LIMIT)
        start = len(ports.m.beats)
        order = [ports.bench.rng.randrange(parameters()["Banks"]) for _ in range(20)]
        ports.banks.send([(bank,) for bank in order])
        expected = [row for bank in order for row in rows[bank * ports.depth :][: ports.depth]]
        await ports.bench.until(lambda: len(ports.m.beats) >= start + len(expected), LIMIT)  # noqa: B023
        await ports.bench.step(20)
        assert ports.m.words[start:] == expected
        assert (
            ports.m.patient
            or ports.m.stall
            or pace.idle
            or ports.m.cycles[-1] - ports.m.cycles[start] == len(expected) - 1
        )


@pytest.mark.parametrize(("depth", "width", "banks"), [(4, 64, 3), (1, 5, 6), (3, 70, 2)])
def test_banked_store(depth: int, width: int, banks: int) -> None:
    run_bench("store", __file__, {"Depth": depth, "Width": width, "Banks": banks}, tests="banked_rounds")


@pytest.mark.parametrize(("depth", "width"), [(4, 64), (1, 5), (3, 70)])
def test_store(depth: int, width: int) -> None:
    run_bench(
        "store", __file__, {"Depth": depth, "Width": width, "Banks": 1}, tests="rounds|reload|reset_forgets_the_load"
    )
