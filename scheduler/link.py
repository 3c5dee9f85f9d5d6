# SPDX-License-Identifier: Apache-2.0
"""What lies between two places at which tokens move: their histories, and how far the two may part."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

ENDLESS = 1 << 62
"""Tokens on a link that never fills."""

KEPT = 4096
"""Times that a history may hold before it is worth dropping some."""


@dataclass(eq=False)
class History:
    """When one token after another moved at one place.

    Attributes:
        times: rising, of the tokens from number `dropped` on.
    """

    times: list[int] = field(default_factory=list)
    dropped: int = 0

    @property
    def long(self) -> bool:
        """It is worth dropping some."""
        return len(self.times) > KEPT

    def drop(self, count: int) -> None:
        """Forget the first `count` times."""
        del self.times[:count]
        self.dropped += count


@dataclass(eq=False)
class Link:
    """Tokens under way from one writer to one reader. Both keep their histories; a link is how far they may part.

    Attributes:
        queue: tokens that fit.
        delay: cycles from a token's departure to its arrival, through operators that keep nothing.
        left: departures from the writer.
        taken: when the reader took them.
        skip: what is to be added to a token's index in the writer's history to find it in the reader's.
        peak: most tokens on the link so far, up to the last `measure`.
    """

    queue: int
    delay: int = 0
    left: History = field(default_factory=History)
    taken: History = field(default_factory=History)
    skip: int = 0
    peak: int = 0
    _measured: int = 0

    def read_by(self, taken: History) -> None:
        """Let a reader of several links keep one history for all."""
        self.taken = taken

    def measure(self) -> int:
        """Most tokens at once: at each arrival, those that arrived and are not taken before.

        Tokens that are not taken yet are looked at next time.
        """
        taken, at = self.taken.times, self.taken.dropped
        start, end = self._measured - self.left.dropped, at + len(taken) - self.left.dropped
        arrived = np.asarray(self.left.times[start:end]) + self.delay
        if len(arrived):
            gone = np.searchsorted(np.asarray(taken), arrived, side="left") + at
            self.peak = max(self.peak, int(np.max(np.arange(1, len(arrived) + 1) + self._measured - gone)))
            self._measured += len(arrived)
        return self.peak

    def spare(self) -> tuple[int, int]:
        """How many of the oldest departures, and of the oldest times of taking, nothing will read any more."""
        self.measure()
        self.renumber()
        left, taken = self.left.times, self.taken.times
        read = len(taken) - self.skip
        if not left or not taken:
            return 0, 0
        # Tokens taken before the next one to be measured arrives. They no longer hold the writer up either: it has
        # gone on since.
        seen = int(np.searchsorted(taken, left[min(read, len(left) - 1)] + self.delay))
        return read, seen

    def renumber(self) -> None:
        """After histories have been shortened."""
        self.skip = self.left.dropped - self.taken.dropped

    @property
    def full(self) -> bool:
        """No further token fits now."""
        return len(self.left.times) + self.skip - len(self.taken.times) >= self.queue
