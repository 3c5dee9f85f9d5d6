# SPDX-License-Identifier: Apache-2.0
"""What benches of shells beside memory or a DMA share: a host on AXI4-Lite, and a network that is a little Python."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import cocotb
import numpy as np
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from gatewright.shell.layout import Layout, Words
from gatewright.shell.registers import by_name
from gatewright.sim.beats import as_numbers, from_numbers
from gatewright.sim.ports import Pin
from gatewright.sim.streams import Harness, parameters

MOST = 9
"""Tokens of the longest sequence that the network takes."""
TOO_LONG, TOO_SHORT, RAGGED = 0, 1, 3
"""Causes, as `sequence_guard` has them."""


def layout() -> Layout:
    p = parameters()
    return Layout(p["InBits"], p["InBeats"], p["OutBits"], 1, p["Load"], p["LoadWords"])


def result(beats: list[int], weights: list[int]) -> list[int]:
    """One output beat per token: what the network computes."""
    p = parameters()
    size, mask = p["InBeats"], (1 << p["OutBits"]) - 1
    key = sum(weights) * 0x9E3779B97F4A7C15
    tokens = [sum(beats[i : i + size]) for i in range(0, len(beats), size)]
    return [(3 * token + key + i) & mask for i, token in enumerate(tokens)]


@dataclass
class Network:
    """The network's side: takes weights, gives results, and rejects malformed sequences as `sequence_guard` does."""

    bench: Harness
    stall: float = 0.0

    def __post_init__(self) -> None:
        bench = self.bench
        self.reset_pin = Pin(bench.dut.network_rst)
        self.source = bench.source("m", idle=self.stall, fields=("data", "last"))
        self.rejected = bench.source("e", fields=("data",))
        self.sink = bench.sink("s", stall=self.stall, fields=("data", "keep", "tag", "last"))
        self.chain = bench.sink("w", stall=self.stall, fields=("data", "last"))
        self.weights: list[int] = []
        self._loading: list[int] = []
        self._open: list[int] = []
        bench.ports.append(self)  # type: ignore[arg-type]

    def reset(self) -> None:
        """Forget everything."""
        self.weights, self._loading, self._open = [], [], []

    def step(self, cycle: int) -> None:
        """One clock edge, after the ports'."""
        if self.reset_pin.get():
            self.reset()
            for port in (self.source, self.rejected, self.sink, self.chain):
                port.reset()
            return
        for word, last in self.chain.beats:
            self._loading.append(word)
            if last:
                assert len(self._loading) == parameters()["LoadWords"]
                self.weights, self._loading = self._loading, []
        self.chain.beats.clear()
        for data, keep, tag, last in self.sink.beats:
            self._open += [data] if keep else []
            if last:
                self._end(tag)
                self._open = []
        self.sink.beats.clear()

    def _end(self, tag: int) -> None:
        size = parameters()["InBeats"]
        tokens, rest = divmod(len(self._open), size)
        cause = RAGGED if rest else TOO_SHORT if not tokens else TOO_LONG if tokens > MOST else None
        if cause is None:
            self.source.send_sequence(result(self._open, self.weights))
        else:
            self.rejected.send([(cause << parameters()["TagBits"] | tag,)])

    def __str__(self) -> str:
        return f"network: {len(self._open)} beats of a sequence, {len(self.weights)} weights"


@dataclass
class Host:
    """Registers by name, over AXI4-Lite."""

    bench: Harness
    bus: Any = field(init=False)

    def __post_init__(self) -> None:
        dut = self.bench.dut
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s"), dut.clk, dut.rst)
        for log in (self.bus.write_if.log, self.bus.read_if.log):
            log.setLevel(logging.ERROR)

    async def start(self) -> None:
        """Reset, then let the clock run on its own."""
        await self.bench.start()

        async def forever() -> None:
            while True:
                await self.bench.step()

        cocotb.start_soon(forever())

    async def write(self, name: str, value: int) -> None:
        head, _, tail = name.partition(".")
        register = by_name()[head]
        low = next((f.low for f in register.fields if f.name == tail), 0)
        for word in range(register.words):
            data = (value << low >> 32 * word & 0xFFFFFFFF).to_bytes(4, "little")
            assert (await self.bus.write(register.offset + 4 * word, data)).resp == AxiResp.OKAY

    async def read(self, name: str) -> int:
        head, _, tail = name.partition(".")
        register = by_name()[head]
        answer = await self.bus.read(register.offset, 4 * register.words)
        assert answer.resp == AxiResp.OKAY
        value = int.from_bytes(answer.data, "little")
        chosen = [f for f in register.fields if f.name == tail and tail]
        return value >> chosen[0].low & (1 << chosen[0].bits) - 1 if chosen else value

    async def errors(self) -> set[str]:
        """Names of the flags that are set; clears them."""
        value = await self.read("errors")
        await self.write("errors", value)
        return {f.name for f in by_name()["errors"].fields if value >> f.low & 1}

    async def go(self, load: bool = False, sequences: int = 0) -> None:
        """Start a run."""
        await self.write("mode", int(load))
        await self.write("sequences", sequences)
        await self.write("control.start", 1)

    async def done(self, limit: int = 400) -> None:
        """Wait for the end of the run."""
        for _ in range(limit):
            if await self.read("control.done"):
                return
        state = "\n".join(str(port) for port in self.bench.ports)
        raise AssertionError(f"the run does not end\n{state}")


def weights(rng: random.Random) -> Words:
    p = parameters()
    return np.array(
        [[rng.getrandbits(32) for _ in range(p["Load"] // 32)] for _ in range(p["LoadWords"])], np.uint32
    ).reshape(p["LoadWords"], p["Load"] // 32)


def sequences(rng: random.Random, lengths: list[int]) -> list[Words]:
    p = parameters()
    return [from_numbers([rng.getrandbits(p["InBits"]) for _ in range(n * p["InBeats"])], p["InBits"]) for n in lengths]


def wanted(
    items: list[Words], memory: Words, legal: Callable[[int], bool] = lambda n: 1 <= n <= MOST
) -> list[list[int]]:
    """Results of those sequences that the network takes."""
    size = parameters()["InBeats"]
    key = as_numbers(memory)
    return [result(as_numbers(s), key) for s in items if legal(len(s) // size)]
