# SPDX-License-Identifier: Apache-2.0
"""A network behind a UART, as a host uses it: load weights, run sequences, read what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError, DeviceError
from gatewright.progress import track
from gatewright.shell.driver import Registers
from gatewright.shell.link import Link, Transport

TAGS = 64
"""Tags of the sequences of a run repeat after this many."""
STARVED = 1000
"""Requests in a row that move nothing, after which a run counts as stuck."""
ASK = 20
"""Requests in a row that move nothing, after which the device is asked whether it was reset."""
CAUSES = ("too long", "too short", "unfinished", "ends inside a token")
"""By the number in register `rejected`."""


@dataclass(frozen=True)
class Streams:
    """What the host must know of a design; stored with its bitstream.

    Attributes:
        build_id: of the hardware.
        input_bits, output_bits: of a beat.
        packet: bytes of data in the longest packet.
        load_bits, load_words: of the load chain.
    """

    build_id: int
    input_bits: int
    output_bits: int
    packet: int
    load_bits: int
    load_words: int


class Accelerator:
    """A device at the other end of a transport.

    Args:
        transport: to the device.
        streams: of the design that is expected there.

    Raises:
        DeviceError: no answer, or another design.
    """

    def __init__(self, transport: Transport, streams: Streams) -> None:
        self.streams = streams
        self.link = Link(transport)
        self.registers = Registers(self.link)
        self.link.hello()
        self.registers.check(streams.build_id)
        self.reset()

    def reset(self) -> None:
        """Forget weights, everything under way and all error flags."""
        self.registers.write("command.reset", 1)
        self.registers.clear_errors()
        while self.registers.read("rejected.valid"):
            pass

    def load(self, memory: npt.NDArray[np.uint32]) -> None:
        """Load the weights: [words, load_bits / 32], as `RtlDesign.memory`.

        Raises:
            DataError: another number of words than the design has.
            DeviceError: the device refuses them.
        """
        data = np.ascontiguousarray(memory, "<u4").tobytes()
        size = self.streams.load_bits // 8
        if len(data) != size * self.streams.load_words:
            raise DataError("weights", f"{len(data)} bytes", f"{size * self.streams.load_words} bytes")
        step = self.streams.packet // size * size
        starved = 0
        for at in track(range(0, len(data), step), "weights"):
            part = data[at : at + step]
            while part:
                taken = self.link.load(part)
                part = part[taken:]
                starved = 0 if taken else starved + 1
                if starved > STARVED:
                    raise DeviceError("weights", "the load chain takes no words", hint="reset the device")
        if not self.registers.read("status.loaded"):
            raise DeviceError("weights", "the device does not call them complete", hint="reset it and load again")

    def run(self, sequences: Sequence[bytes]) -> list[bytes]:
        """Run sequences of beats, each beat padded to whole bytes; returns the beats of the results, in order.

        Raises:
            DeviceError: a sequence was rejected, the network is stuck, or an error flag came up.
        """
        self.registers.write("sequences", len(sequences))
        self.registers.write("control.start", 1)
        if self.registers.read("errors.not_loaded"):
            self.registers.write("errors.not_loaded", 1)
            raise DeviceError("run", "the device has no weights", hint="load them first")
        results: list[bytes] = []
        rest = bytearray()
        size = -(-self.streams.input_bits // 8)
        step = self.streams.packet // size * size
        starved = 0
        for number, sequence in enumerate(track(sequences, "sequences")):
            part = sequence
            while part:
                taken = self.link.push(part[:step], last=len(part) <= step, tag=number % TAGS)
                part = part[taken:]
                moved = taken + (self._pull(results, rest) if part else 0)
                starved = 0 if moved else starved + 1
                self._alive(starved, f"sequence {number} is not taken")
        while len(results) < len(sequences):
            starved = 0 if self._pull(results, rest) else starved + 1
            self._alive(starved, f"result {len(results)} does not come")
        if not self.registers.read("control.done"):
            raise DeviceError("run", "all results came, but the run is not done")
        return results

    def _pull(self, results: list[bytes], rest: bytearray) -> int:
        """Take what is there; returns how many bytes that was."""
        data, last, tag = self.link.pull()
        rest += data
        if last:
            if tag != len(results) % TAGS:
                # The result that is due does not come when its sequence was rejected.
                if self.registers.read("status.rejected"):
                    self._report()
                raise DeviceError("run", f"result {len(results)} carries tag {tag}", f"{len(results) % TAGS}")
            results.append(bytes(rest))
            rest.clear()
        elif not data and self.registers.read("status.rejected"):
            self._report()
        return len(data)

    def _report(self) -> None:
        entry = self.registers.fields("rejected")
        place = f"sequence with tag {entry['tag']}"
        raise DeviceError(place, f"was rejected: {CAUSES[entry['cause']]}", hint="reset the device before the next run")

    def _alive(self, starved: int, problem: str) -> None:
        if starved and starved % ASK == 0 and not self.registers.read("status.loaded"):
            raise DeviceError("run", "the device has lost its weights", hint="was it reset? load them again")
        if starved > STARVED:
            flags = ", ".join(self.registers.errors()) or "none"
            raise DeviceError("run", f"{problem}; error flags: {flags}", hint="reset the device")

    @property
    def cycles(self) -> int:
        """Clock cycles of the last run."""
        return self.registers.read("cycles")
