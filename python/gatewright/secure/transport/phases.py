# SPDX-License-Identifier: Apache-2.0
"""Seconds and bytes of one party, phase by phase."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from gatewright.secure.transport.link import Link, Traffic


@dataclass
class Phase:
    """What a part of the work took.

    Attributes:
        seconds: one number per turn.
        traffic: of all turns.
        offline: it does not need the inputs, and can be done before they are there.
    """

    offline: bool
    seconds: list[float] = field(default_factory=list)
    traffic: Traffic = field(default_factory=Traffic)


class Phases:
    """By name, in the order in which they began."""

    def __init__(self) -> None:
        self.found: dict[str, Phase] = {}

    @contextlib.contextmanager
    def measure(self, name: str, link: Link | None = None, offline: bool = True) -> Iterator[None]:
        """Add what happens inside to a phase; a link counts from its opening if it is not given."""
        phase = self.found.setdefault(name, Phase(offline))
        before = link.traffic if link else Traffic()
        start = time.perf_counter()
        try:
            yield
        finally:
            phase.seconds.append(time.perf_counter() - start)
            if link:
                phase.traffic += link.traffic - before

    def add(self, name: str, link: Link) -> None:
        """All bytes of a link that was opened in a phase."""
        self.found[name].traffic += link.traffic

    def seconds(self, offline: bool) -> float:
        """Of all offline phases, or all others."""
        return sum(sum(p.seconds) for p in self.found.values() if p.offline == offline)
