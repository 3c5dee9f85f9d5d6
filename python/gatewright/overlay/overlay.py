# SPDX-License-Identifier: Apache-2.0
"""A built design on a device: `y = accel(x)`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.errors import DataError, DeviceError
from gatewright.fixed import Floats, Ints
from gatewright.overlay.devices import open_machine
from gatewright.overlay.folder import Folder
from gatewright.overlay.machine import Counters
from gatewright.overlay.run import Run, Waiting, stuck
from gatewright.shell.driver import Registers
from gatewright.shell.layout import HEADER, Words, beat_bytes
from gatewright.sim.beats import pack, unpack
from gatewright.verification import Row


class Overlay:
    """The design of a build folder, loaded with its weights and ready for batches.

    with gw.Overlay("build/pynq-z2", device="sim") as accel:
        y = accel(x)

    Args:
        path: folder that `Design.build` or `gatewright build` wrote.
        device: None for the board that this runs on, the number of a board or card, the path of a serial port,
            "sim" for the simulated device, or "auto": the board if there is one, else the simulated device.

    Raises:
        DataError: the folder is no build, or lacks the bitstream.
        DeviceError: no such device, it holds another design, or it does not take the weights.
        MissingExtraError: what talks to the device is not installed.
    """

    def __init__(self, path: str | Path, device: str | int | None = None) -> None:
        self._folder = Folder.read(path)
        self._machine = open_machine(self._folder, device)
        self._run: Run | None = None
        self._last: Run | None = None
        try:
            if self._machine.registers is not None:
                self._machine.registers.check(self._folder.build_id)
            self._load()
        except BaseException:
            self._machine.close()
            raise

    def __call__(self, batch: Any) -> Floats | list[Floats]:
        """Results of a batch [N, ...], or of a list of items of different lengths, in the layout of the model.

        Raises:
            DataError: an item has the wrong shape, length or range; nothing was sent.
            DeviceError: the device does not answer in time, or reports an error.
        """
        found: Floats | list[Floats] = self.start(batch).wait()
        return found

    def start(self, batch: Any) -> Run:
        """Begin a batch and return at once; `.done` asks for its end, `.wait()` gives the results.

        Raises:
            DataError: as in calling it.
            DeviceError: another batch is under way.
        """
        return self._start(self._folder.imported.encode(batch), decode=True)

    def integers(self, sequences: Sequence[Ints], timeout: float | None = None) -> list[Ints]:
        """Integer results [tokens, channels] of integer sequences [tokens, channels]."""
        found: list[Ints] = self._start(list(sequences), decode=False).wait(timeout)
        return found

    def verify(self, batch: Any) -> Row:
        """Run a batch, compare every integer with the golden model; `.mismatches` says how many differ."""
        begin = time.monotonic()
        sequences = self._folder.imported.encode(batch)
        found = self.integers(sequences)
        wrong = 0
        for sequence, result in zip(sequences, found, strict=True):
            wanted = self._folder.golden(sequence)
            wrong += int(np.sum(result != wanted)) if result.shape == wanted.shape else wanted.size
        cycles = 0 if self._machine.registers is None else self.counters.cycles
        tokens = sum(map(len, sequences))
        return Row(self._machine.title, len(found), tokens, wrong, cycles, time.monotonic() - begin)

    def _start(self, sequences: list[Ints], decode: bool) -> Run:
        if self._run is not None:
            raise DeviceError("run", "another batch is under way", "one at a time", "wait() for it, or reset()")
        if not sequences:
            raise DataError("batch", "no items", "at least one")
        _, result = self._folder.ports
        lanes = self._folder.lanes[1]

        def finish(beats: list[Words]) -> Any:
            found = [unpack(b, lanes, result) for b in beats]
            return self._folder.imported.decode(found) if decode else found

        self._last = self._run = Run(self._machine, self._parts(sequences), finish, self._ended)
        return self._run

    def _ended(self) -> None:
        self._run = None

    def _parts(self, sequences: list[Ints]) -> list[tuple[list[Words], list[int]]]:
        """Beats of the sequences and tokens of their results, cut into runs that the device can take."""
        entry, result = self._folder.ports
        lanes = self._folder.lanes
        sizes = [beat_bytes(n * k.fixed.width) for n, k in zip(lanes, (entry, result), strict=True)]
        parts: list[tuple[list[Words], list[int]]] = []
        room = [0, 0]
        for index, sequence in enumerate(sequences):
            beats, tokens = pack(sequence, lanes[0], entry), self._folder.results(len(sequence))
            need = [max(HEADER, sizes[0]) + sizes[0] * len(beats), sizes[1] * tokens * result.channels // lanes[1]]
            if max(need) > self._machine.most:
                problem = f"{need[0]:,} bytes with its length, {need[1]:,} of result"
                raise DataError(f"sequence {index}", problem, f"{self._machine.most:,} bytes in a run")
            if not parts or any(r < n for r, n in zip(room, need, strict=True)):
                parts.append(([], []))
                room = [self._machine.most] * 2
            parts[-1][0].append(beats)
            parts[-1][1].append(tokens)
            room = [r - n for r, n in zip(room, need, strict=True)]
        return parts

    def _load(self) -> None:
        """Load the weights; where no register says which design this is, a known answer must."""
        if int(self._folder.fact("load_words")):
            self._machine.begin_load(self._folder.memory)
            waiting = Waiting(self._machine, None)
            while not self._machine.ended():
                if not waiting.go_on():
                    raise stuck(self._machine, "load of the weights", waiting.seconds)
            self._machine.collect()
        if self._machine.registers is None:
            entry, _ = self._folder.ports
            tokens = entry.tokens if isinstance(entry.tokens, int) else entry.tokens.minimum
            known = np.zeros((tokens, entry.channels), np.int64)
            if not np.array_equal(self.integers([known])[0], self._folder.golden(known)):
                raise DeviceError(self._machine.title, "gives another result than the golden model", hint="build again")

    def reset(self) -> None:
        """Give up what is under way, and load the weights again."""
        if self._run is not None:
            self._run.abandon()
        self._machine.reset()
        self._load()

    @property
    def registers(self) -> Registers:
        """The shell's registers by name.

        Raises:
            DeviceError: this host has no way to read them.
        """
        if self._machine.registers is None:
            raise DeviceError("registers", "this host cannot read them", hint="use a pyxrt with kernel.read_register")
        return self._machine.registers

    @property
    def counters(self) -> Counters:
        """What the hardware counted in the last batch."""
        return Counters() if self._last is None else self._last.counters

    @property
    def device(self) -> str:
        """What the design runs on."""
        return self._machine.title

    @property
    def build_id(self) -> int:
        """Of the design; on opening it was compared with the device's."""
        return self._folder.build_id

    def __str__(self) -> str:
        name = self._folder.imported.graph.name
        return f"{name} on {self.device}, build {self.build_id:016x}"

    def __repr__(self) -> str:
        return f"<Overlay {self}>"

    def close(self) -> None:
        """Give the device back."""
        self._machine.close()

    def __enter__(self) -> Overlay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
