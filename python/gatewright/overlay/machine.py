# SPDX-License-Identifier: Apache-2.0
"""What a device must be able to do, whatever bus or link it hangs on; and what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gatewright.errors import DeviceError
from gatewright.shell.accelerator import CAUSES
from gatewright.shell.driver import Registers
from gatewright.shell.layout import Words


@dataclass(frozen=True)
class Counters:
    """What the hardware counted in one or several runs.

    Attributes:
        cycles: clock cycles from start to end.
        sequences: that gave a result.
        rejections: sequences that were malformed.
        input_stalls: cycles in which an input beat waited for the network.
        output_stalls: cycles in which a result waited for its receiver.
    """

    cycles: int = 0
    sequences: int = 0
    rejections: int = 0
    input_stalls: int = 0
    output_stalls: int = 0

    def __add__(self, other: Counters) -> Counters:
        return Counters(
            self.cycles + other.cycles,
            self.sequences + other.sequences,
            self.rejections + other.rejections,
            self.input_stalls + other.input_stalls,
            self.output_stalls + other.output_stalls,
        )


class Machine(Protocol):
    """One loaded device. A run, or a load of weights, is begun, asked for its end, and collected; one at a time."""

    @property
    def title(self) -> str:
        """What it is, for a reader."""

    @property
    def registers(self) -> Registers | None:
        """Of the shell; None where the host has no way to read them."""

    @property
    def most(self) -> int:
        """Bytes of input, and of results, that one run may have."""

    @property
    def patience(self) -> float:
        """Seconds that a run may take, unless a user says otherwise."""

    @property
    def pause(self) -> float:
        """Seconds between two questions whether it has ended."""

    def begin_load(self, words: Words) -> None:
        """Begin to load weights: words of the load chain [words, bits / 32]."""

    def begin(self, sequences: Sequence[Words], tokens: Sequence[int]) -> None:
        """Begin to run sequences of beats [beats, 32-bit words], whose results have so many tokens."""

    def ended(self) -> bool:
        """Whether what was begun has ended, so that `collect` does not wait."""

    def collect(self) -> list[Words]:
        """Beats of every result; none after a load."""

    def reset(self) -> None:
        """Give up what is under way; weights are lost."""

    def close(self) -> None:
        """Give the device back."""


def counted(registers: Registers) -> Counters:
    """What the registers say about the last run."""
    names = ("cycles", "finished", "rejections", "input_stalls", "output_stalls")
    return Counters(*(registers.read(name) for name in names))


def check(registers: Registers, place: str) -> None:
    """Raise DeviceError if an error flag is set, which is cleared; names every malformed sequence that it knows of."""
    flags = registers.errors()
    if not flags:
        return
    known = []
    while (entry := registers.fields("rejected"))["valid"]:
        known.append(f"sequence with tag {entry['tag']} {CAUSES[entry['cause']]}")
    registers.clear_errors()
    raise DeviceError(
        place, f"error flags: {', '.join([*flags, *known])}", "none", "see registers.md in the build folder"
    )
