# SPDX-License-Identifier: Apache-2.0
"""What devices with a control bus share: registers say how a run goes, whoever moves the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from gatewright.errors import DeviceError
from gatewright.overlay.machine import check
from gatewright.shell.driver import Registers
from gatewright.shell.layout import Layout, Words

PATIENCE = 10.0
"""Seconds that a run on real hardware may take."""
PAUSE = 50e-6
"""Seconds between two looks at it."""


class BusMachine(ABC):
    """A design whose shell has a control bus.

    Args:
        title: what it is.
        registers: of the shell.
        layout: of its data.
        most: bytes of input, and of results, that one run may have.
        simulated: time passes only while somebody looks, and slowly.
        closing: called by `close`.
    """

    def __init__(
        self,
        title: str,
        registers: Registers,
        layout: Layout,
        most: int,
        simulated: bool = False,
        closing: Callable[[], None] | None = None,
    ) -> None:
        self.title, self.most = title, most
        self.registers: Registers = registers
        self.patience, self.pause = (600.0, 0.0) if simulated else (PATIENCE, PAUSE)
        self._layout, self._closing = layout, closing
        self._loading = False
        self._tokens: Sequence[int] = ()

    def begin_load(self, words: Words) -> None:
        """See `Machine`."""
        self._begin(self._layout.weights(words), 0, (), loading=True)

    def begin(self, sequences: Sequence[Words], tokens: Sequence[int]) -> None:
        """See `Machine`."""
        self._begin(self._layout.pack(sequences), len(sequences), tokens, loading=False)

    def _begin(self, data: bytes, sequences: int, tokens: Sequence[int], loading: bool) -> None:
        if not self.registers.read("control.idle"):
            raise DeviceError(self.title, "a run is under way already", "one at a time", "wait for it, or reset()")
        self._loading, self._tokens = loading, tokens
        self.registers.write("mode", int(loading))
        self.registers.write("sequences", sequences)
        self.move(data, self._layout.output_bytes(tokens), loading)
        self.registers.write("control.start", 1)

    def ended(self) -> bool:
        """See `Machine`."""
        return bool(self.registers.read("control.idle")) and self.at_rest()

    def collect(self) -> list[Words]:
        """See `Machine`.

        Raises:
            DeviceError: an error flag is set, or the weights are not complete.
        """
        loading, self._loading = self._loading, False
        check(self.registers, "weights" if loading else "run")
        if loading:
            self.release()
            if not self.registers.read("status.loaded"):
                raise DeviceError("weights", "the device does not call them complete", hint="build and load again")
            return []
        found = self._layout.unpack(self.results(), self._tokens) if self._tokens else []
        self.release()
        return found

    def reset(self) -> None:
        """See `Machine`."""
        self.registers.write("command.reset", 1)
        self.registers.clear_errors()
        self.halt()
        self.release()

    @abstractmethod
    def move(self, data: bytes, room: int, loading: bool) -> None:
        """Make the data of a run, and room for its results, reachable for the device."""

    @abstractmethod
    def at_rest(self) -> bool:
        """Whether all data are where they should be."""

    @abstractmethod
    def results(self) -> bytes:
        """What the device left in the room for results."""

    @abstractmethod
    def release(self) -> None:
        """Give buffers back."""

    @abstractmethod
    def halt(self) -> None:
        """Stop the movement of data at once."""

    def close(self) -> None:
        """See `Machine`."""
        self.release()
        if self._closing is not None:
            self._closing()
