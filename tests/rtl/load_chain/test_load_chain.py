# SPDX-License-Identifier: Apache-2.0
"""Bench of load_chain: keeps its own words in order, none while it is held, and passes the rest on."""

from typing import Any

import cocotb
import pytest

from gatewright.errors import SimulationError
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_words


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, held=[0.0, 0.5])
async def keeps_its_words(dut: Any, pace: Pace, held: float) -> None:
    """Two loads with words for later places behind each; `hold` comes and goes."""
    p, bench = parameters(), Harness(dut)
    w, x = bench.source("w", pace.idle), bench.sink("x", pace.stall, pace.patient)
    dut.hold.value = 0
    await bench.start()
    chunks = -(-p["Width"] // p["Load"])
    for _ in range(2):
        own, later = (random_words(bench.rng, p["Load"], n) for n in (p["Rows"] * chunks, 5))
        w.send_sequence(own + later)
        kept, seen = [], len(x.beats)
        for _ in range(5000):
            if len(x.beats) == seen + len(later):
                break
            dut.hold.value = int(bench.rng.random() < held)
            await bench.step()
            # Pins show what the edge just took.
            if dut.keep.value:
                assert not dut.hold.value
                at = (int(dut.row.value), int(dut.chunk.value))
                assert int(dut.whole.value) == (at[1] == chunks - 1)
                kept.append((at, int(dut.w_data.value)))
        assert kept == [((i // chunks, i % chunks), word) for i, word in enumerate(own)]
        assert dut.loaded.value
        assert x.words[seen:] == later


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def reset_forgets_the_load(dut: Any) -> None:
    p, bench = parameters(), Harness(dut)
    w, x = bench.source("w"), bench.sink("x")
    dut.hold.value = 0
    await bench.start()
    words = p["Rows"] * -(-p["Width"] // p["Load"])
    w.send_sequence(random_words(bench.rng, p["Load"], words + 1))
    await bench.finish({x: 1}, limit=200)
    assert dut.loaded.value
    await bench.reset(1)
    await bench.step()
    assert not dut.loaded.value
    later = random_words(bench.rng, p["Load"], 3)
    w.send_sequence(random_words(bench.rng, p["Load"], words) + later)
    await bench.finish({x: 3}, limit=200)
    assert x.words == later


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def short_load(dut: Any) -> None:
    """Run alone: the assertion must end the simulation."""
    bench = Harness(dut)
    w = bench.source("w")
    dut.hold.value = 0
    await bench.start()
    w.send_sequence([1])
    await bench.step(20)


@pytest.mark.parametrize(("rows", "width", "load"), [(4, 70, 32), (3, 32, 64)])
def test_load_chain(rows: int, width: int, load: int) -> None:
    values = {"Rows": rows, "Width": width, "Load": load}
    run_bench("load_chain", __file__, values, tests="keeps_its_words|reset_forgets_the_load")


def test_short_load_is_reported() -> None:
    with pytest.raises(SimulationError, match="the load ended before the rows were full"):
        run_bench("load_chain", __file__, {"Rows": 4, "Width": 64, "Load": 32}, tests="short_load")
