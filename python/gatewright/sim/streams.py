# SPDX-License-Identifier: Apache-2.0
"""The harness of a cocotb bench: clock, reset and ports; one await per cycle serves all ports.

Whole networks are driven through it, so it has to be fast: some 100,000 cycles per second for a small module.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cocotb.clock import Clock
from cocotb.handle import Immediate

from gatewright.errors import SimulationError
from gatewright.sim.ports import Beat, Monitor, Pin, Pins, Sink, Source

__all__ = [
    "PACES",
    "Beat",
    "Harness",
    "Monitor",
    "Pace",
    "Pins",
    "Sink",
    "Source",
    "parameters",
    "random_sequences",
    "random_words",
    "seed",
]

SEED_VARIABLE = "GATEWRIGHT_SEED"
PARAMETERS_VARIABLE = "GATEWRIGHT_PARAMETERS"

STREAM = ("data", "last")


@dataclass(frozen=True)
class Pace:
    """How the two sides of a bench behave.

    Attributes:
        idle: probability that a source offers nothing.
        stall: probability that a sink is not ready.
        patient: sinks become ready only after they saw `valid`.
    """

    idle: float = 0.0
    stall: float = 0.0
    patient: bool = False


PACES = (
    Pace(),
    Pace(idle=0.5),
    Pace(stall=0.5),
    Pace(0.3, 0.3),
    Pace(idle=0.9),
    Pace(stall=0.9),
    Pace(0.2, 0.2, patient=True),
)
"""The grid that every bench runs: each side fast, slow and very slow."""


def parameters() -> dict[str, int]:
    """Parameters of the toplevel under test, as `run_bench` was given them."""
    return dict(json.loads(os.environ.get(PARAMETERS_VARIABLE, "{}")))


def random_words(rng: random.Random, width: int, count: int) -> list[int]:
    """Random words of `width` bits; one in eight is all zeros or all ones."""
    top = (1 << width) - 1
    return [rng.choice((0, top)) if rng.random() < 0.125 else rng.getrandbits(width) for _ in range(count)]


def random_sequences(
    rng: random.Random, width: int, lengths: Iterable[int] = (1, 2, 3, 1, 1, 17, 40)
) -> list[list[int]]:
    """Sequences of random words, among them several of the shortest length."""
    return [random_words(rng, width, length) for length in lengths]


def seed() -> int:
    """The seed of this simulation."""
    return int(os.environ.get(SEED_VARIABLE, "0"))


Port = Source | Monitor


@dataclass
class Harness:
    """The device under test with its clock, reset and ports.

    Attributes:
        dut: cocotb's handle of the toplevel, with ports `clk` and `rst`.
        seed: of every random choice; each port has its own generator.
        cycle: rising edges so far.
    """

    dut: Any
    seed: int = field(default_factory=seed)
    cycle: int = 0
    ports: list[Port] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self._shared: dict[str, int] = {}
        self._edge = self.dut.clk.rising_edge

    def pins(self, prefix: str, fields: Sequence[str] = STREAM, index: int = 0, count: int = 1) -> Pins:
        """Pins `<prefix>_valid`, `_ready` and `_<field>`; element `index` of a packed array of `count`."""

        def pin(name: str) -> Pin:
            return Pin(getattr(self.dut, f"{prefix}_{name}"), index, count, self._shared)

        name = prefix if count == 1 else f"{prefix}[{index}]"
        return Pins(name, pin("valid"), pin("ready"), tuple(pin(f) for f in fields))

    def source(
        self, prefix: str = "s", idle: float = 0.0, fields: Sequence[str] = STREAM, index: int = 0, count: int = 1
    ) -> Source:
        """A source on a slave port."""
        pins = self.pins(prefix, fields, index, count)
        port = Source(pins, random.Random(f"{self.seed} {pins.name}"), idle)
        self.ports.append(port)
        return port

    def sink(
        self,
        prefix: str = "m",
        stall: float = 0.0,
        patient: bool = False,
        fields: Sequence[str] = STREAM,
        index: int = 0,
        count: int = 1,
    ) -> Sink:
        """A checking sink on a master port."""
        pins = self.pins(prefix, fields, index, count)
        port = Sink(pins, random.Random(f"{self.seed} {pins.name}"), stall, patient)
        self.ports.append(port)
        return port

    def monitor(self, prefix: str, fields: Sequence[str] = STREAM) -> Monitor:
        """A passive check of a port that somebody else drives."""
        port = Monitor(self.pins(prefix, fields))
        self.ports.append(port)
        return port

    async def start(self) -> None:
        """Start the clock and reset."""
        # Pins are random at power-up too: a clock that is born high would be an edge without reset.
        self.dut.clk.value = Immediate(0)
        self.dut.rst.value = Immediate(1)
        Clock(self.dut.clk, 10, "ns").start()
        await self.reset()

    async def reset(self, cycles: int = 2) -> None:
        """Hold `rst` for some cycles; every port forgets its beats."""
        self.dut.rst.value = 1
        for port in self.ports:
            port.reset()
        for _ in range(cycles):
            await self._edge
            self.cycle += 1
        self.dut.rst.value = 0
        for port in self.ports:
            port.reset()

    async def step(self, cycles: int = 1) -> None:
        """Run some cycles."""
        for _ in range(cycles):
            await self._edge
            self.cycle += 1
            for port in self.ports:
                port.step(self.cycle)

    async def pulse(self, *names: str) -> None:
        """One-bit inputs of the device high for one cycle."""
        for name in names:
            getattr(self.dut, name).value = 1
        await self.step()
        for name in names:
            getattr(self.dut, name).value = 0

    async def until(self, done: Callable[[], bool], limit: int) -> None:
        """Run until `done()`.

        Raises:
            SimulationError: it is still false after `limit` cycles; the text shows where every port stands.
        """
        for _ in range(limit):
            if done():
                return
            await self.step()
        if not done():
            state = "\n".join(f"    {port}" for port in self.ports)
            problem = f"no end after {limit} cycles, seed {self.seed}\n{state}"
            raise SimulationError(
                f"cycle {self.cycle}", problem, hint="run again with GATEWRIGHT_WAVES=1 and this seed"
            )

    async def finish(self, counts: dict[Sink, int], limit: int, settle: int = 20) -> None:
        """Run until every sink has its number of beats, then on, to see that nothing else comes.

        Raises:
            SimulationError: the beats do not come within `limit` cycles, or there are too many.
            AssertionError: a source still holds beats.
        """
        await self.until(lambda: all(len(sink.beats) >= n for sink, n in counts.items()), limit)
        for sink in counts:
            sink.stall, sink.patient = 0.0, False
        await self.step(settle)
        for sink, n in counts.items():
            if len(sink.beats) != n:
                raise SimulationError(f"stream {sink.pins.name}", f"{len(sink.beats)} beats", f"{n} beats")
        for port in self.ports:
            if isinstance(port, Source):
                assert port.empty, str(port)
