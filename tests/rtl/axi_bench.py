# SPDX-License-Identifier: Apache-2.0
"""What benches of AXI4 masters share: memories of cocotbext-axi that fail on demand, an independent protocol check."""

from __future__ import annotations

import logging
import os
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cocotbext.axi import AxiRamRead, AxiRamWrite, AxiReadBus, AxiResp, AxiWriteBus

from gatewright.errors import SimulationError
from gatewright.sim.ports import Monitor, Pin, Pins
from gatewright.sim.streams import Harness, Pace

PACES = (Pace(), Pace(idle=0.5), Pace(0.3, 0.3), Pace(stall=0.8), Pace(0.2, 0.2, patient=True))
"""As in any bench, without the very slow ones: a burst takes hundreds of cycles as it is."""
REPORT = "GATEWRIGHT_AXI_REPORT"
"""Variable with the file that the bench script reads."""
COUNT = int(os.environ.get("GATEWRIGHT_AXI_COMMANDS", "8"))
"""Random commands of a test."""
PAGE = 4096
SIZE = 1 << 16
"""Bytes of the memories."""


def pauses(rng: random.Random, chance: float) -> Iterator[bool]:
    """Random stalls for a channel of cocotbext-axi."""
    while True:
        yield rng.random() < chance


class Reader(AxiRamRead):
    """Memory behind a read master.

    Attributes:
        faults: address of a bus word to the response that its beat gets.
    """

    def __init__(self, bench: Harness, prefix: str, pace: Pace, mem: Any = None) -> None:
        super().__init__(AxiReadBus.from_prefix(bench.dut, prefix), bench.dut.clk, bench.dut.rst, size=SIZE, mem=mem)
        self.log.setLevel(logging.ERROR)
        self.faults: dict[int, AxiResp] = {}
        self._next = AxiResp.OKAY
        send = self.r_channel.send

        async def answer(r: Any) -> None:
            r.rresp = self._next
            await send(r)

        self.r_channel.send = answer
        _pace(bench, pace, self.ar_channel, self.r_channel)

    async def _read(self, address: int, length: int) -> bytes:
        self._next = self.faults.get(address % SIZE, AxiResp.OKAY)
        return bytes(await super()._read(address, length))


class Writer(AxiRamWrite):
    """Memory behind a write master; words at `faults` are not written, and their burst is answered so."""

    def __init__(self, bench: Harness, prefix: str, pace: Pace, mem: Any = None) -> None:
        super().__init__(AxiWriteBus.from_prefix(bench.dut, prefix), bench.dut.clk, bench.dut.rst, size=SIZE, mem=mem)
        self.log.setLevel(logging.ERROR)
        self.faults: dict[int, AxiResp] = {}
        self._next = AxiResp.OKAY
        send = self.b_channel.send

        async def answer(b: Any) -> None:
            b.bresp, self._next = self._next, AxiResp.OKAY
            await send(b)

        self.b_channel.send = answer
        _pace(bench, pace, self.aw_channel, self.w_channel, self.b_channel)

    async def _write(self, address: int, data: bytes) -> None:
        word = address % SIZE // self.byte_lanes * self.byte_lanes
        if word in self.faults:
            self._next = self.faults[word]
        else:
            await super()._write(address, data)


def _pace(bench: Harness, pace: Pace, *channels: Any) -> None:
    """Sinks stall at the rate `stall`, sources at the rate `idle`."""
    for index, channel in enumerate(channels):
        channel.log.setLevel(logging.ERROR)
        chance = pace.idle if hasattr(channel, "send") else pace.stall
        if chance:
            channel.set_pause_generator(pauses(random.Random(f"{bench.seed} {channel.bus._name} {index}"), chance))


def _pins(bench: Harness, prefix: str, channel: str, payload: str) -> Pins:
    def pin(name: str) -> Pin:
        return Pin(getattr(bench.dut, f"{prefix}_{channel}{name}"))

    return Pins(f"{prefix}_{channel}", pin("valid"), pin("ready"), tuple(pin(p) for p in payload.split()))


@dataclass
class Protocol:
    """Rules of AXI4 (IHI 0022, A3) for one direction, checked from the pins alone.

    A burst is of whole bus words, increments, stays within a page and has at most `burst` beats; no more than
    `outstanding` are under way; valid and payload hold until ready; write data come after their address, without a gap,
    and WLAST is on the final beat of each burst.

    Attributes:
        bursts: asked for so far.
        beats: of data so far.
    """

    bench: Harness
    prefix: str
    write: bool
    burst: int
    outstanding: int
    bursts: int = 0
    beats: int = 0
    _open: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        a, d = ("aw", "w") if self.write else ("ar", "r")
        self.address = Monitor(_pins(self.bench, self.prefix, a, "addr len size burst id"))
        self.data = Monitor(_pins(self.bench, self.prefix, d, "data last" + (" strb" if self.write else "")))
        self.answer = Monitor(_pins(self.bench, self.prefix, "b", "resp")) if self.write else None
        self._width = len(self.data.pins.payload[0]._read()) // 8
        self._unanswered = self._seen = 0
        self.bench.ports.append(self)  # type: ignore[arg-type]

    def reset(self) -> None:
        """Forget what is under way."""
        for monitor in filter(None, (self.address, self.data, self.answer)):
            monitor.reset()
        self._open.clear()
        self._unanswered = self._seen = 0

    def step(self, cycle: int) -> None:
        """One clock edge."""
        if self.write and self._seen and not self.data.pins.valid.get():
            raise self._broken(cycle, "WVALID fell inside a burst")
        for monitor in filter(None, (self.address, self.data, self.answer)):
            monitor.step(cycle)
        # Data of this edge belong to addresses of edges before it.
        for beat in self.data.beats:
            self._beat(cycle, bool(beat[1]))
        for beat in self.address.beats:
            self._burst(cycle, *beat)
        self._unanswered -= len(self.answer.beats) if self.answer else 0
        for monitor in filter(None, (self.address, self.data, self.answer)):
            monitor.beats.clear()

    def _burst(self, cycle: int, address: int, length: int, size: int, kind: int, identity: int) -> None:
        beats = length + 1
        if (1 << size, kind, identity) != (self._width, 1, 0) or address % self._width:
            raise self._broken(cycle, f"size {size}, burst type {kind}, id {identity}, address {address:#x}")
        if beats > self.burst or address % PAGE + beats * self._width > PAGE:
            raise self._broken(cycle, f"{beats} beats at {address:#x}")
        self._open.append(beats)
        self._unanswered += 1
        self.bursts += 1
        if self._unanswered > self.outstanding:
            raise self._broken(cycle, f"{self._unanswered} bursts under way")

    def _beat(self, cycle: int, last: bool) -> None:
        if not self._open:
            raise self._broken(cycle, "data without an address")
        self._seen += 1
        self.beats += 1
        if last != (self._seen == self._open[0]):
            raise self._broken(cycle, f"last = {last} on beat {self._seen} of {self._open[0]}")
        if last:
            self._seen = 0
            self._open.popleft()
            self._unanswered -= 0 if self.write else 1

    def _broken(self, cycle: int, problem: str) -> SimulationError:
        return SimulationError(f"AXI {self.prefix}, cycle {cycle}", problem, f"at most {self.burst} beats in a page")

    def __str__(self) -> str:
        state = f"{self.bursts} bursts, {self.beats} beats, {len(self._open)} open"
        return f"AXI {self.prefix} {'write' if self.write else 'read'}: {state}"


def commands(rng: random.Random, count: int, width: int) -> list[tuple[int, int]]:
    """Random (address, bytes): short ones, ones around a page boundary, long ones over several pages, empty ones."""
    found = []
    word = width // 8
    for _ in range(count):
        kind = rng.random()
        if kind < 0.1:
            address, length = rng.randrange(SIZE - 64), rng.choice((0, 1, 2, word))
        elif kind < 0.5:
            page = rng.randrange(1, SIZE // PAGE - 1) * PAGE
            address = page + rng.randint(-2 * word, 2 * word)
            length = rng.randint(1, 5 * word)
        elif kind < 0.85:
            address, length = rng.randrange(SIZE // 2), rng.randint(1, 40 * word)
        else:
            address, length = rng.randrange(SIZE // 4), rng.randint(PAGE // 2, 3 * PAGE)
        found.append((address, length))
    return found


def report(what: str, count: int) -> None:
    """Add to the bench script's tally, when there is one: `count` times `what`, all as they should be."""
    if REPORT in os.environ:
        with Path(os.environ[REPORT]).open("a") as file:
            file.write(f"{count} {what}\n")
