# SPDX-License-Identifier: Apache-2.0
"""Bench of attention_memory: what is read is what was written, while sequences fill the ring behind older ones."""

from collections import deque
from typing import Any

import cocotb
import numpy as np
import pytest
from rtl.attention_bench import planes, thresholds, vectors, word

from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Pin
from gatewright.sim.streams import PACES, Harness, Pace, Sink, Source, parameters

PORTS = ("query", "codes", "key", "value")


class Reader:
    """Works on complete sequences in order: random reads of all four ports, then the release.

    Attributes:
        content: per sequence in order, [tokens][groups] of (query, code, key, value) words.
        done: sequences that were read and released.
        rate: chance that a port reads in a cycle.
    """

    def __init__(self, dut: Any, sink: Sink, rng: np.random.Generator, rate: float) -> None:
        self.sink, self.rng, self.rate = sink, rng, rate
        self.enable = [Pin(getattr(dut, f"{p}_enable")) for p in PORTS]
        self.row = [Pin(getattr(dut, f"{p}_row")) for p in PORTS]
        self.data = [Pin(getattr(dut, f"{p}_data")) for p in PORTS]
        self.release = Pin(dut.release_oldest)
        self.content: list[list[list[tuple[int, ...]]]] = []
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.content.clear()
        self.done = self.reads = 0
        # Requests travel one edge to the module, their data one edge back; what is expected now stays until then.
        self.sent: deque[list[Any]] = deque([[None] * 4, [None] * 4], maxlen=2)
        self.shown: list[Any] = [None] * 4
        self.release.set(0)
        for pin in self.enable:
            pin.set(0)

    def step(self, cycle: int) -> None:
        """One clock edge."""
        for port, found in enumerate(self.sent.popleft()):
            if found is not None:
                self.shown[port] = found
            if self.shown[port] is not None:
                wanted, mask = self.shown[port]
                got = self.data[port].get() & mask
                assert got == wanted, f"cycle {cycle}, {PORTS[port]}: {got:x}, expected {wanted:x}"
        requests: list[Any] = [None] * 4
        self.release.set(0)
        if self.done < len(self.sink.beats):
            for port in range(4):
                if self.rng.random() < self.rate:
                    row, requests[port] = self.request(port, *self.sink.beats[self.done][1:])
                    self.row[port].set(row)
                    self.reads += 1
            if self.rng.random() < 0.05:
                self.release.set(1)
                self.done += 1
        for port in range(4):
            self.enable[port].set(int(requests[port] is not None))
        self.sent.append(requests)

    def request(self, port: int, start: int, tokens: int) -> tuple[int, tuple[int, int]]:
        """Row to read, and (word, mask) to expect, of a random token and head of the oldest sequence."""
        p = parameters()
        keys, slots = p["Keys"], p["Blocks"] * p["Keys"]
        token, group = int(self.rng.integers(tokens)), int(self.rng.integers(p["Groups"]))
        held = self.content[self.done]
        assert len(held) == tokens
        if PORTS[port] != "codes":
            wanted = held[token][group][port]
            return group * slots + (start * keys + token) % slots, (wanted, (1 << self.data[port].width) - 1)
        # Slots of the block behind the sequence's end hold anything.
        block, bits = token // keys, p["Bits"] * p["Dim"]
        wanted = mask = 0
        for j in range(min(keys, tokens - block * keys)):
            wanted |= held[block * keys + j][group][1] << j * bits
            mask |= (1 << bits) - 1 << j * bits
        return group * p["Blocks"] + (start + block) % p["Blocks"], (wanted, mask)


def ports(dut: Any, pace: Pace, rate: float = 0.5) -> tuple[Harness, Source, Sink, Reader]:
    bench = Harness(dut)
    source = bench.source("s", pace.idle, ("query", "key", "value", "limits", "user", "last"))
    sink = bench.sink("n", pace.stall, pace.patient, ("user", "start", "tokens"))
    reader = Reader(dut, sink, np.random.default_rng(bench.seed + 1), rate)
    bench.ports.append(reader)  # type: ignore[arg-type]
    return bench, source, sink, reader


def send(bench: Harness, source: Source, reader: Reader, sequences: int) -> list[tuple[int, int]]:
    """Queue random sequences; (user, tokens) of each."""
    p, rng = parameters(), np.random.default_rng(bench.seed)
    expected = []
    widths = [p[f"{n}Width"] for n in ("Query", "Key", "Value")]
    for _ in range(sequences):
        tokens = int(rng.choice([1, p["MaxTokens"], rng.integers(1, p["MaxTokens"] + 1)]))
        limits, user = thresholds(rng, widths[1], p["Bits"]), int(rng.integers(1 << p["UserWidth"]))
        content = []
        for t in range(tokens):
            content.append([])
            for g in range(p["Groups"]):
                rows = [vectors(rng, w, (p["Dim"],)) for w in widths]
                query, key, value = (word(r, w) for r, w in zip(rows, widths, strict=True))
                content[-1].append((query, planes(rows[1], limits, p["Bits"]), key, value))
                last = int((t, g) == (tokens - 1, p["Groups"] - 1))
                source.send([(query, key, value, word(limits, p["LimitWidth"]), user if last else 0, last)])
        reader.content.append(content)
        expected.append((user, tokens))
    return expected


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def reads_what_was_written(dut: Any, pace: Pace) -> None:
    bench, source, sink, reader = ports(dut, pace)
    await bench.start()
    expected = send(bench, source, reader, 30)
    await bench.until(lambda: reader.done == len(expected), 30_000)
    await bench.step(10)
    assert [(user, tokens) for user, _, tokens in sink.beats] == expected
    assert source.empty and reader.reads > 500


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def fills_the_ring_and_stops(dut: Any) -> None:
    """Without a release it takes exactly what fits, and goes on when the oldest sequence is released."""
    bench, source, sink, reader = ports(dut, PACES[0], rate=0.0)
    p = parameters()
    await bench.start()
    length = p["Keys"] + 1
    beats = [(1, 2, 3, 0, 0, int(i == length * p["Groups"] - 1)) for i in range(length * p["Groups"])]
    reader.done = 1 << 30
    for _ in range(40):
        source.send(beats)
    await bench.step(40 * len(beats))
    # Such a sequence fills two blocks; a part of the next one may go into a block that is left.
    whole = p["Blocks"] // 2
    rest = p["Blocks"] % 2 * p["Keys"] * p["Groups"]
    assert (len(source.taken), len(sink.beats)) == (whole * len(beats) + rest, whole)
    dut.release_oldest.value = 1
    await bench.step()
    dut.release_oldest.value = 0
    await bench.step(3 * len(beats))
    assert len(source.taken) == (whole + 1) * len(beats) + rest


@cocotb.test(timeout_time=20, timeout_unit="ms")
async def counts_its_sequences(dut: Any) -> None:
    """No more sequences than the queue holds are taken, however short."""
    bench, source, sink, reader = ports(dut, PACES[0], rate=0.0)
    p = parameters()
    await bench.start()
    reader.done = 1 << 30
    for _ in range(40):
        source.send([(1, 2, 3, 0, 0, int(i == p["Groups"] - 1)) for i in range(p["Groups"])])
    await bench.step(200)
    assert len(sink.beats) == min(p["Blocks"], p["Sequences"])


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 10, 60])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench, source, sink, reader = ports(dut, Pace(0.2, 0.2))
    await bench.start()
    send(bench, source, reader, 20)
    await bench.step(cycles)
    await bench.reset(1)
    expected = send(bench, source, reader, 6)
    await bench.until(lambda: reader.done == len(expected), 5000)
    assert [(user, tokens) for user, _, tokens in sink.beats] == expected


@pytest.mark.parametrize(
    ("groups", "keys", "blocks", "bits", "sequences"), [(2, 2, 5, 4, 16), (1, 4, 3, 1, 2)], ids=["heads", "few"]
)
def test_attention_memory(groups: int, keys: int, blocks: int, bits: int, sequences: int) -> None:
    run_bench(
        "attention_memory",
        __file__,
        {
            "Groups": groups,
            "Dim": 3,
            "Keys": keys,
            "Blocks": blocks,
            "MaxTokens": 9,
            "Bits": bits,
            "QueryWidth": 6,
            "KeyWidth": 5,
            "ValueWidth": 7,
            "LimitWidth": 6,
            "UserWidth": 8,
            "Sequences": sequences,
        },
    )
