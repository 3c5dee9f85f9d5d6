# SPDX-License-Identifier: Apache-2.0
"""Bench of attention_engine: equal to the operator; a query takes max(blocks, chosen keys, normalisation) cycles."""

from typing import Any

import cocotb
import numpy as np
import pytest

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops.top_k_attention import TopKAttention
from gatewright.sim.beats import as_numbers, pack
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters

GROUPS, DIM, MOST = 3, 4, 12
FORMATS = (Fixed(8, 5), Fixed(7, 4), Fixed(6, 3))
OUTPUT = Fixed(7, 4)
TYPES = [TensorType(Length("n", MOST), GROUPS * DIM, f) for f in FORMATS]
FOLDING = Folding(lanes=2, simd=2, pe=1, tokens=2)


def operator(causal: bool) -> TopKAttention:
    limits = np.arange(0.5, 7) * 0.4
    options = {"heads": GROUPS, "top": 5, "bits": 4, "causal": causal}
    return TopKAttention.of(TYPES, OUTPUT, **options, q_thresholds=limits, k_thresholds=limits)


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    bench = Harness(dut)
    fields = ("query", "key", "value", "constants", "last")
    return bench, bench.source("s", pace.idle, fields), bench.sink("m", pace.stall, pace.patient)


def send(bench: Harness, source: Source, lengths: list[int]) -> list[Beat]:
    """Queue sequences of these lengths; the beats to expect."""
    op, rng = operator(bool(parameters()["Causal"])), np.random.default_rng(bench.seed)
    (row,) = op.rtl(FOLDING, *TYPES).memory
    constants = sum(int(w) << 32 * i for i, w in enumerate(row[0]))
    expected: list[Beat] = []
    for n in lengths:
        data = [rng.integers(f.lo, f.hi + 1, (n, GROUPS * DIM)) >> rng.integers(0, 4, (n, 1)) for f in FORMATS]
        words = [as_numbers(pack(x, DIM, t)) for x, t in zip(data, TYPES, strict=True)]
        result = as_numbers(pack(op.evaluate(*data), DIM, TensorType(TYPES[0].tokens, GROUPS * DIM, OUTPUT)))
        ends = [int(i == len(result) - 1) for i in range(len(result))]
        source.send([(*w, constants, end) for *w, end in zip(*words, ends, strict=True)])
        expected += list(zip(result, ends, strict=True))
    return expected


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def exact(dut: Any, pace: Pace) -> None:
    bench, source, sink = ports(dut, pace)
    await bench.start()
    expected = send(bench, source, [1, 2, 1, 5, MOST, 3, 8, MOST])
    await bench.finish({sink: len(expected)}, limit=30_000)
    assert sink.beats == expected


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(length=[1, 2, 4, 5, 6, MOST])
async def cycles_per_query(dut: Any, length: int) -> None:
    """Linear in the keys: max(ceil(n / Keys), min(n, top), Dim / NormLanes), also from sequence to sequence."""
    bench, source, sink = ports(dut, PACES[0])
    if parameters()["Causal"]:
        return
    await bench.start()
    expected = send(bench, source, [length] * 6)
    await bench.finish({sink: len(expected)}, limit=30_000)
    assert sink.beats == expected
    wanted = max(-(-length // FOLDING.simd), min(length, 5), DIM // FOLDING.lanes)
    # Behind the first sequence; sequences of one token are limited by how many there are.
    assert set(np.diff(sink.cycles[length * GROUPS :])) == {wanted}


@cocotb.test(timeout_time=50, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 10, 40, 90, 200])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench, source, sink = ports(dut, Pace(0.1, 0.3))
    await bench.start()
    send(bench, source, [5, MOST, 3, 8])
    await bench.step(cycles)
    await bench.reset(1)
    expected = send(bench, source, [1, MOST, 4])
    await bench.finish({sink: len(expected)}, limit=10_000)
    assert sink.beats == expected


@pytest.mark.parametrize("causal", [False, True], ids=["all", "causal"])
def test_attention_engine(causal: bool) -> None:
    wide = operator(causal).rtl(FOLDING, *TYPES).parameters
    own = {"Heads", "Engines", "QuerySigned", "KeySigned", "ValueSigned", "Banks"}
    run_bench("attention_engine", __file__, {"Groups": GROUPS} | {k: v for k, v in wide.items() if k not in own})
