# SPDX-License-Identifier: Apache-2.0
"""A batch under way: in parts that fit the device, each begun when the last one has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from gatewright.errors import DeviceError
from gatewright.overlay.machine import Counters, Machine, counted
from gatewright.progress import track
from gatewright.shell.layout import Words


class Waiting:
    """Questions to a machine until what it does has ended, or the time is up."""

    def __init__(self, machine: Machine, timeout: float | None) -> None:
        self._machine = machine
        self.seconds = machine.patience if timeout is None else timeout
        self._until = time.monotonic() + self.seconds

    def go_on(self) -> bool:
        """Wait a little; False when the time is up."""
        if self._machine.pause:
            time.sleep(self._machine.pause)
        return time.monotonic() < self._until


def stuck(machine: Machine, what: str, seconds: float) -> DeviceError:
    """The error of something that takes too long: what the device says about it."""
    problem = f"has not ended after {seconds:g} s"
    if machine.registers is not None:
        state, now = machine.registers.fields("status"), counted(machine.registers)
        flags = ", ".join(machine.registers.errors()) or "none"
        problem += f"; {'running' if state['running'] else 'not running'}, {now.sequences} sequences finished,"
        problem += f" {now.cycles:,} cycles, input stalled {now.input_stalls:,}, output {now.output_stalls:,};"
        problem += f" error flags: {flags}"
    return DeviceError(what, problem, hint="wait again or longer (timeout=..), or give up with reset()")


class Run:
    """A batch that was started; made by `Overlay.start`.

    Args:
        machine: that runs it.
        parts: sequences of beats, and tokens of every result, run by run.
        finish: from the beats of all results to what `wait` returns.
        closed: called once, when nothing of it is under way any more.
    """

    def __init__(
        self,
        machine: Machine,
        parts: Sequence[tuple[Sequence[Words], Sequence[int]]],
        finish: Callable[[list[Words]], Any],
        closed: Callable[[], None],
    ) -> None:
        self._machine, self._parts, self._finish, self._closed = machine, list(parts), finish, closed
        self._at = 0
        self._found: list[Words] = []
        self._results: Any = None
        self._over = False
        self._counters: Counters | None = None if machine.registers is None else Counters()
        self.sequences = sum(len(tokens) for _, tokens in parts)
        self._begin()

    def _begin(self) -> None:
        self._guarded(lambda: self._machine.begin(*self._parts[self._at]))

    def _guarded(self, step: Callable[[], Any]) -> Any:
        try:
            return step()
        except Exception:
            # Ctrl-C is none: who stops waiting may wait again.
            self._end()
            raise

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._closed()

    @property
    def done(self) -> bool:
        """Whether the results are there; also begins the next part when one has ended.

        Raises:
            DeviceError: the device reports an error.
        """
        if not self._over and self._guarded(self._machine.ended):
            self._found += self._guarded(self._machine.collect)
            if self._counters is not None and self._machine.registers is not None:
                self._counters += counted(self._machine.registers)
            self._at += 1
            if self._at < len(self._parts):
                self._begin()
            else:
                self._results = self._guarded(lambda: self._finish(self._found))
                self._end()
        return self._over

    def wait(self, timeout: float | None = None) -> Any:
        """The results, in the layout of the model, as `Overlay.__call__` returns them.

        Args:
            timeout: seconds; without, the device's own patience. The batch goes on when the time is up: wait again, or
                `Overlay.reset`.

        Raises:
            DeviceError: the time is up, or the device reports an error; says what it knows.
        """
        waiting = Waiting(self._machine, timeout)
        for _ in track(self._progress(waiting), "sequences", self.sequences):
            pass
        if self._results is None:
            raise DeviceError("run", "it was given up, or failed before", hint="start the batch again")
        return self._results

    def _progress(self, waiting: Waiting) -> Iterator[None]:
        """One item per sequence that has finished."""
        seen = 0
        while not self.done:
            now = len(self._found)
            if self._machine.registers is not None:
                now += self._machine.registers.read("finished")
            yield from [None] * max(0, now - seen)
            seen = max(seen, now)
            if not waiting.go_on():
                raise stuck(self._machine, f"run of {self.sequences} sequences", waiting.seconds)

    def abandon(self) -> None:
        """Called by `Overlay.reset`."""
        self._end()

    @property
    def counters(self) -> Counters:
        """What the hardware counted, all parts together.

        Raises:
            DeviceError: this host has no way to read registers.
        """
        if self._counters is None:
            raise DeviceError("counters", "this host cannot read the device's registers", hint="use a pyxrt that can")
        return self._counters
