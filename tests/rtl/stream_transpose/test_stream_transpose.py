# SPDX-License-Identifier: Apache-2.0
"""Bench of stream_transpose: rows become columns, vector by vector, without a bubble; reset forgets all of it."""

from typing import Any

import cocotb
import pytest
from rtl.stream_bench import check_reset, check_results

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters, random_sequences

LENGTHS = (1, 2, 5, 1, 1, 7, 4)


def transposed(sequence: list[int]) -> list[Beat]:
    """Beats of one sequence; all of its final vector's have `last`."""
    rows, columns = parameters()["Rows"], parameters()["Columns"]
    size = rows * columns
    count = len(sequence) // size
    order = [r * columns + c for c in range(columns) for r in range(rows)]
    return [(sequence[v * size + i], int(v == count - 1)) for v in range(count) for i in order]


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    bench = Harness(dut)
    return bench, bench.source(idle=pace.idle), bench.sink("m", pace.stall, pace.patient)


def send(bench: Harness, source: Source, count: int) -> list[Beat]:
    p = parameters()
    lengths = [n * p["Rows"] * p["Columns"] for n in LENGTHS * (1 + count // 10)]
    sequences = random_sequences(bench.rng, p["Width"], lengths)
    for words in sequences:
        source.send_sequence(words)
    return [beat for words in sequences for beat in transposed(words)]


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    _, sink = await check_results(dut, pace, ports, send, 1, 20000)
    if not pace.idle and not pace.patient:
        assert sink.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 7, 30, 61])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, ports, send, 20000)


@pytest.mark.parametrize(("width", "rows", "columns"), [(8, 3, 5), (5, 4, 1)])
def test_stream_transpose(width: int, rows: int, columns: int) -> None:
    run_bench("stream_transpose", __file__, {"Width": width, "Rows": rows, "Columns": columns})
