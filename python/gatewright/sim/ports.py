# SPDX-License-Identifier: Apache-2.0
"""cocotb drivers for our streams: sources, monitors and checking sinks, stepped once per cycle by a harness.

Everything samples at the rising edge, where reads still see the values before it and writes take
effect after it.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gatewright.errors import SimulationError

Beat = tuple[int, ...]
"""Values of a stream's payload fields; (data, last) unless the port says otherwise."""


class Pin:
    """A port, or the element `index` of a packed array of `count` elements, as unsigned integer."""

    def __init__(self, handle: Any, index: int = 0, count: int = 1, shared: dict[str, int] | None = None) -> None:
        self.handle = handle
        # The public `value` builds a LogicArray per access; bits are all that a two-state simulator has.
        self._read = handle._handle.get_signal_val_binstr
        self.width = len(self._read()) // count
        self._low, self._mask = index * self.width, (1 << self.width) - 1
        self._whole = count == 1
        self._shared = shared if shared is not None else {}
        self._name = handle._name

    def get(self) -> int:
        """Value before the clock edge."""
        value = int(self._read(), 2)
        return value if self._whole else value >> self._low & self._mask

    def set(self, value: int) -> None:
        """Drive `value` from now on."""
        if not self._whole:
            rest = self._shared.get(self._name, 0) & ~(self._mask << self._low)
            value = self._shared[self._name] = rest | value << self._low
        self.handle.value = value


@dataclass(frozen=True)
class Pins:
    """Pins of one stream port."""

    name: str
    valid: Pin
    ready: Pin
    payload: tuple[Pin, ...]

    def beat(self) -> Beat:
        """Payload before the clock edge."""
        return tuple(pin.get() for pin in self.payload)


class Source:
    """Drives a slave port: a queue of beats, with random idle cycles between them.

    A beat stays until it is taken; while idle the payload is noise, so that a module that looks at it
    without `valid` is caught.

    Attributes:
        idle: probability that no beat is offered in a cycle; may be changed at any time.
        taken: cycle in which each beat was taken.
    """

    def __init__(self, pins: Pins, rng: random.Random, idle: float = 0.0) -> None:
        self.pins, self.idle = pins, idle
        self.queue: deque[Beat] = deque()
        self.taken: list[int] = []
        self._rng, self._offered = rng, False
        self.reset()

    def send(self, beats: Iterable[Beat]) -> None:
        """Append beats."""
        self.queue.extend(beats)

    def send_sequence(self, words: Sequence[int]) -> None:
        """Append one sequence: `last` on its final beat."""
        end = len(words) - 1
        self.queue.extend((word, int(i == end)) for i, word in enumerate(words))

    @property
    def empty(self) -> bool:
        """True when every beat was taken."""
        return not self.queue and not self._offered

    def reset(self) -> None:
        """Withdraw the offered beat and forget the queue."""
        self.queue.clear()
        self.taken.clear()
        self._withdraw()

    def _withdraw(self) -> None:
        self._offered = False
        self.pins.valid.set(0)
        for pin in self.pins.payload:
            pin.set(self._rng.getrandbits(pin.width))

    def step(self, cycle: int) -> None:
        """One clock edge."""
        if self._offered:
            if not self.pins.ready.get():
                return
            self.taken.append(cycle)
        if self.queue and not (self.idle and self._rng.random() < self.idle):
            for pin, value in zip(self.pins.payload, self.queue.popleft(), strict=True):
                pin.set(value)
            if not self._offered:
                self.pins.valid.set(1)
                self._offered = True
        elif self._offered:
            self._withdraw()

    def __str__(self) -> str:
        state = "offers a beat that is not taken" if self._offered else "idle"
        return f"source {self.pins.name}: {len(self.taken)} taken, {len(self.queue)} queued, {state}"


class Monitor:
    """Checks one stream from outside: a stalled beat stays as it is until it is taken.

    Attributes:
        beats: what was transferred, in order.
        cycles: cycle of each transfer.
        gaps: ready cycles without a beat, between the first beat and the last one; 0 is full throughput.
        withdraws: a stalled beat may vanish, as a weight store's does when a new load begins.

    Raises:
        SimulationError: in `step`, at the first cycle that breaks the rule.
    """

    def __init__(self, pins: Pins) -> None:
        self.pins, self.withdraws = pins, False
        self.beats: list[Beat] = []
        self.cycles: list[int] = []
        self.gaps = 0
        self._hungry = 0
        self._stalled: Beat | None = None

    def reset(self) -> None:
        """Forget everything."""
        self.beats.clear()
        self.cycles.clear()
        self.gaps = self._hungry = 0
        self._stalled = None

    def step(self, cycle: int) -> None:
        """One clock edge."""
        self.observe(cycle, bool(self.pins.valid.get()), bool(self.pins.ready.get()))

    def observe(self, cycle: int, valid: bool, ready: bool) -> None:
        """Check and record the cycle that ends with this edge."""
        if not valid:
            if self._stalled is not None and not self.withdraws:
                raise self._broken(cycle, f"the stalled beat {self._stalled} vanished")
            self._stalled = None
            self._hungry += ready
            return
        beat = self.pins.beat()
        if self._stalled is not None and beat != self._stalled:
            raise self._broken(cycle, f"the stalled beat {self._stalled} became {beat}")
        if ready:
            self.gaps += self._hungry if self.beats else 0
            self._hungry = 0
            self.beats.append(beat)
            self.cycles.append(cycle)
        self._stalled = None if ready else beat

    def _broken(self, cycle: int, problem: str) -> SimulationError:
        return SimulationError(f"stream {self.pins.name}, cycle {cycle}", problem, "valid and payload hold until ready")

    @property
    def words(self) -> list[int]:
        """The first payload field of every beat."""
        return [beat[0] for beat in self.beats]

    def sequences(self) -> list[list[int]]:
        """Words, cut behind every beat whose final field (`last`) is set; an unfinished rest comes last."""
        found: list[list[int]] = [[]]
        for beat in self.beats:
            found[-1].append(beat[0])
            if beat[-1]:
                found.append([])
        return found if found[-1] else found[:-1]

    def __str__(self) -> str:
        state = f"stalls {self._stalled}" if self._stalled is not None else "no beat waits"
        return f"stream {self.pins.name}: {len(self.beats)} beats, {state}"


class Sink(Monitor):
    """Reads a master port with random back-pressure, and checks it as `Monitor` does.

    Attributes:
        stall: probability that a cycle is not ready; 1.0 blocks. May be changed at any time.
        patient: become ready only after `valid` was seen, which deadlocks a `valid` that waits for `ready`.
    """

    def __init__(self, pins: Pins, rng: random.Random, stall: float = 0.0, patient: bool = False) -> None:
        super().__init__(pins)
        self.stall, self.patient = stall, patient
        self._rng, self._ready = rng, False
        pins.ready.set(0)

    def step(self, cycle: int) -> None:
        """One clock edge."""
        valid = bool(self.pins.valid.get())
        self.observe(cycle, valid, self._ready)
        ready = not (self.stall and self._rng.random() < self.stall)
        if self.patient:
            ready = ready and self._stalled is not None
        if ready != self._ready:
            self._ready = ready
            self.pins.ready.set(int(ready))
