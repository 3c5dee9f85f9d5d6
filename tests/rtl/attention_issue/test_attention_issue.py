# SPDX-License-Identifier: Apache-2.0
"""Bench of attention_issue: every query of every sequence sees its blocks, wrapped round the ring, without a gap."""

from typing import Any

import cocotb
import pytest
from rtl.stream_bench import check_reset, check_results

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters

FIELDS = ("user", "block", "keep", "base", "query_row", "codes_row", "first", "last", "final")


def ports(dut: Any, pace: Pace) -> tuple[Harness, Source, Sink]:
    bench = Harness(dut)
    return (
        bench,
        bench.source("s", pace.idle, ("user", "start", "tokens")),
        bench.sink("m", pace.stall, pace.patient, FIELDS),
    )


def reads(user: int, start: int, tokens: int) -> list[Beat]:
    """The beats of one sequence."""
    p = parameters()
    groups, keys, blocks = p["Groups"], p["Keys"], p["Blocks"]
    found = []
    for query in range(tokens):
        for group in range(groups):
            seen = query + 1 if p["Causal"] else tokens
            slot = (start * keys + query) % (blocks * keys)
            for first in range(0, seen, keys):
                block = (start + first // keys) % blocks
                keep = sum(1 << j for j in range(keys) if first + j < seen)
                base = group * blocks * keys
                edges = (int(first == 0), int(first + keys >= seen), int((query, group) == (tokens - 1, groups - 1)))
                found.append((user, block, keep, base, base + slot, group * blocks + block, *edges))
    return found


def send(bench: Harness, source: Source, sequences: int) -> list[Beat]:
    p, rng = parameters(), bench.rng
    expected = []
    for _ in range(sequences):
        tokens = rng.choice((1, p["MaxTokens"], rng.randint(1, p["MaxTokens"])))
        sequence = (rng.getrandbits(p["UserWidth"]), rng.randrange(p["Blocks"]), tokens)
        source.send([sequence])
        expected += reads(*sequence)
    return expected


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def exact(dut: Any, pace: Pace) -> None:
    _, sink = await check_results(dut, pace, ports, send, 25, limit=60_000)
    assert pace.idle or pace.patient or sink.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 10, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    await check_reset(dut, cycles, ports, send, limit=6000)


@pytest.mark.parametrize(
    ("groups", "keys", "blocks", "causal"), [(2, 4, 5, 0), (3, 1, 9, 1), (1, 2, 4, 1)], ids=["all", "causal", "one"]
)
def test_attention_issue(groups: int, keys: int, blocks: int, causal: int) -> None:
    run_bench(
        "attention_issue",
        __file__,
        {"Groups": groups, "Keys": keys, "Blocks": blocks, "MaxTokens": 7, "Causal": causal, "UserWidth": 5},
    )
