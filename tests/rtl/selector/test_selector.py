# SPDX-License-Identifier: Apache-2.0
"""Bench of selector: low-bit scores of several keys per beat, the query coded once; one beat per cycle."""

from typing import Any

import cocotb
import numpy as np
import pytest
from rtl.attention_bench import planes, thresholds, vectors, word
from rtl.stream_bench import check_reset, check_results

from gatewright.ops._selector import code
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters

FIELDS = ("query", "limits", "keys", "user", "last")


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    bench = Harness(dut)
    return (
        bench,
        bench.source("s", pace.idle, FIELDS),
        bench.sink("m", pace.stall, pace.patient, ("data", "user", "last")),
    )


def send(bench: Harness, source: Source, queries: int) -> list[Beat]:
    """Queue random queries with 1 to 6 beats of keys each; the beats to expect."""
    p, rng = parameters(), np.random.default_rng(bench.seed)
    keys, dim, bits, width, limit = (p[n] for n in ("Keys", "Dim", "Bits", "QueryWidth", "LimitWidth"))
    score = len(bench.dut.m_data) // keys
    expected = []
    for _ in range(queries):
        query, limits = vectors(rng, width, (dim,)), thresholds(rng, width, bits)
        beats = int(rng.integers(1, 7))
        for beat in range(beats):
            block, of_keys = vectors(rng, 8, (keys, dim)), thresholds(rng, 8, bits)
            user, last = int(rng.integers(1 << p["UserWidth"])), int(beat == beats - 1)
            packed = sum(planes(k, of_keys, bits) << i * bits * dim for i, k in enumerate(block))
            # Behind the first beat the query and its thresholds are not looked at.
            shown = (word(query, width), word(limits, limit)) if beat == 0 else (word(~query, width), 0)
            source.send([(*shown, packed, user, last)])
            scores = code(block, of_keys, bits) @ code(query, limits, bits)
            expected.append((word(scores.astype(np.int64), score), user, last))
    return expected


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def exact(dut: Any, pace: Pace) -> None:
    _, sink = await check_results(dut, pace, ports, send, 20, limit=6000)
    assert pace.idle or pace.patient or sink.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 10])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, ports, send, limit=600)


@pytest.mark.parametrize(
    ("bits", "keys", "dim"), [(4, 2, 5), (3, 1, 4), (2, 4, 3), (1, 2, 7)], ids=["4bit", "3bit", "2bit", "1bit"]
)
def test_selector(bits: int, keys: int, dim: int) -> None:
    run_bench(
        "selector",
        __file__,
        {"Keys": keys, "Dim": dim, "Bits": bits, "QueryWidth": 6, "LimitWidth": 8, "UserWidth": 5},
    )
