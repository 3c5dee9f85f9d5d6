# SPDX-License-Identifier: Apache-2.0
"""Bench of bank_rounds: tokens pass unchanged, and every round's bank goes once to every store, in order."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, parameters, random_sequences

LENGTHS = (1, 2, 5, 1, 1, 7, 4, 3)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, reset=[False, True])
async def integrity(dut: Any, pace: Pace, reset: bool) -> None:
    """With a slow store in between; after a reset, what was promised to the stores is forgotten."""
    bench = Harness(dut)
    p = parameters()
    source, sink = bench.source("s", pace.idle), bench.sink("m", pace.stall, pace.patient)
    banks = bench.source("b", idle=0.3, fields=("data",))
    stores = [bench.sink("r", stall, False, ("data",), i, p["Consumers"]) for i, stall in enumerate((0.0, 0.6))]
    await bench.start()
    if reset:
        source.send_sequence([1] * p["Words"])
        banks.send([(1,)])
        await bench.step(9)
        await bench.reset(1)
    sequences = random_sequences(bench.rng, p["Width"], [n * p["Words"] for n in LENGTHS])
    numbers = [bench.rng.randrange(p["Banks"]) for _ in LENGTHS]
    for words in sequences:
        source.send_sequence(words)
    banks.send([(n,) for n in numbers])
    rounds = [(n,) for n, length in zip(numbers, LENGTHS, strict=True) for _ in range(-(-length // p["Tokens"]))]
    await bench.finish({sink: sum(map(len, sequences)), **dict.fromkeys(stores, len(rounds))}, limit=20000)
    assert sink.sequences() == sequences
    assert all(store.beats == rounds for store in stores)
    assert banks.empty


@cocotb.test(timeout_time=5, timeout_unit="ms")
async def stores_bound_the_stream(dut: Any) -> None:
    """Stores that take nothing stop the stream after finitely many rounds, without losing one."""
    bench = Harness(dut)
    p = parameters()
    source, sink = bench.source("s"), bench.sink("m")
    banks = bench.source("b", fields=("data",))
    stores = [bench.sink("r", 1.0, False, ("data",), i, p["Consumers"]) for i in range(p["Consumers"])]
    await bench.start()
    tokens = 60 * p["Tokens"]
    source.send_sequence([7] * (tokens * p["Words"]))
    banks.send([(1,)])
    await bench.step(tokens * p["Words"] + 50)
    assert 10 * p["Words"] < len(sink.beats) < tokens * p["Words"]
    for store in stores:
        store.stall = 0.0
    await bench.finish({sink: tokens * p["Words"], **dict.fromkeys(stores, 60)}, limit=20000)


@pytest.mark.parametrize(("words", "tokens"), [(1, 1), (3, 1), (2, 4)])
def test_bank_rounds(words: int, tokens: int) -> None:
    run_bench("bank_rounds", __file__, {"Width": 5, "Words": words, "Tokens": tokens, "Banks": 3, "Consumers": 2})
