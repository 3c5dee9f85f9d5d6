# SPDX-License-Identifier: Apache-2.0
"""A network with early exits, cut over sites in a row such as device, edge and host."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError

Floats = npt.NDArray[np.float64]
Cuts = tuple[int, ...]
"""Per link the first block behind it: blocks from there on run on a later site. As many as blocks: never crossed."""


@dataclass(frozen=True)
class Block:
    """A part of a network that runs on one site.

    Attributes:
        name: of the block; an exit names the block that it stands behind.
        seconds: per site, for one sample; infinite where the block cannot run.
        bytes: of the block's result, for one sample, if a cut comes behind it.
    """

    name: str
    seconds: tuple[float, ...]
    bytes: float


@dataclass(frozen=True)
class Link:
    """From one site to the next, and back: `bandwidth` in bytes per second, `delay` in seconds per message."""

    bandwidth: float
    delay: float = 0.0

    def seconds(self, size: float) -> float:
        """For a message of `size` bytes."""
        return self.delay + size / self.bandwidth


@dataclass(frozen=True)
class Exit:
    """A classifier in the middle of a network, with what it said about the calibration samples.

    Attributes:
        name: of the exit.
        after: the block that it stands behind; it runs on that block's site.
        seconds: per site, for one sample, whether or not the sample leaves.
        entropy: per sample, -sum p log p of its output or another score that is low where the exit is certain;
            a sample leaves where it is at most the threshold (BranchyNet: Teerapittayanon et al., ICPR 2016).
        right: per sample, whether its label is right.
    """

    name: str
    after: str
    seconds: tuple[float, ...]
    entropy: tuple[float, ...]
    right: tuple[bool, ...]


@dataclass(frozen=True)
class Network:
    """A chain of blocks, the sites that they may run on, and the exits on the way.

    A sample is computed, and where a cut lies sent, block after block, nothing overlaps; the blocks run in order
    over the sites in order. A site without a block forwards.

    Attributes:
        sites: names, from where the samples arise.
        links: between neighboring sites, one fewer.
        blocks: in order.
        input_bytes: of one sample, if even the first block runs elsewhere.
        right: per calibration sample, whether the label at the end is right.
        exits: in the order of their blocks, before the last one.
        answer_bytes: of the answer that returns to the first site; None: it stays where it arises.

    Raises:
        DataError: something does not fit together; names what.
    """

    sites: tuple[str, ...]
    links: tuple[Link, ...]
    blocks: tuple[Block, ...]
    input_bytes: float
    right: tuple[bool, ...]
    exits: tuple[Exit, ...] = ()
    answer_bytes: float | None = None

    def __post_init__(self) -> None:
        _expect("links", len(self.links) == len(self.sites) - 1, f"{len(self.links)}", "one fewer than sites")
        _expect("blocks", bool(self.blocks), "none", "at least one")
        _expect("right", bool(self.right), "no samples", "one value per calibration sample")
        names = [b.name for b in self.blocks]
        _expect("blocks", len(set(names)) == len(names), "a name occurs twice", "different names")
        for number, link in enumerate(self.links):
            fits = link.bandwidth > 0 and 0 <= link.delay < math.inf
            _expect(f"link {number}", fits, f"{link}", "positive bandwidth in bytes/s, delay of 0 s or more")
        parts: list[Block | Exit] = [*self.blocks, *self.exits]
        for part in parts:
            fits = len(part.seconds) == len(self.sites) and all(t >= 0 for t in part.seconds)
            _expect(part.name, fits, f"seconds {part.seconds}", f"{len(self.sites)} times, one per site, 0 or more")
        sizes = [b.bytes for b in self.blocks] + [self.input_bytes, self.answer_bytes or 0.0]
        _expect("bytes", all(0 <= s < math.inf for s in sizes), f"{min(sizes)} to {max(sizes)}", "finite, 0 or more")
        self._check_exits(names)

    def _check_exits(self, names: Sequence[str]) -> None:
        last = -1
        for one in self.exits:
            known = one.after in names[:-1]
            _expect(f"exit {one.name}", known, f"after {one.after!r}", ", ".join(names[:-1]) or "no exits: one block")
            at = names.index(one.after)
            _expect(f"exit {one.name}", at > last, "not in the order of the blocks", "at most one exit behind a block")
            fits = len(one.entropy) == len(one.right) == len(self.right)
            shown = f"{len(one.entropy)} entropies, {len(one.right)} labels"
            _expect(f"exit {one.name}", fits, shown, f"{len(self.right)} of each, one per calibration sample")
            _expect(f"exit {one.name}", all(map(math.isfinite, one.entropy)), "an entropy is not finite", "numbers")
            last = at
        known = len({e.name for e in self.exits}) == len(self.exits)
        _expect("exits", known, "a name occurs twice", "different names")

    def cuts(self) -> list[Cuts]:
        """Every way to cut the chain with which each block can run where it lies."""
        ways = combinations_with_replacement(range(len(self.blocks) + 1), len(self.links))
        placed = [c for c in ways if all(map(math.isfinite, self.times(c)))]
        _expect("blocks", bool(placed), "none of the cuts lets every block run", "finite seconds on some site")
        return placed

    def times(self, cuts: Cuts) -> list[float]:
        """Seconds of every block where `cuts` place it."""
        return [b.seconds[site(cuts, i)] for i, b in enumerate(self.blocks)]

    def costs(self, cuts: Cuts, used: Sequence[int]) -> tuple[Floats, Floats]:
        """What a sample costs by where it leaves.

        Args:
            used: exits that run, in order.

        Returns:
            latency in seconds and bytes over the first link (both ways), each [exits used + 1], the end last.
        """
        names, times = [b.name for b in self.blocks], self.times(cuts)
        heads = {names.index(self.exits[e].after): self.exits[e] for e in used}
        now, sent = 0.0, 0.0
        latency, size = [], []
        for index, seconds in enumerate(times):
            for number, link in enumerate(self.links):
                if cuts[number] == index:
                    carried = self.blocks[index - 1].bytes if index else self.input_bytes
                    now += link.seconds(carried)
                    sent += carried if number == 0 else 0.0
            now += seconds
            end = index == len(times) - 1
            if index in heads:
                now += heads[index].seconds[site(cuts, index)]
            if index in heads or end:
                back, returned = self._answer(site(cuts, index))
                latency.append(now + back)
                size.append(sent + returned)
        return np.asarray(latency), np.asarray(size)

    def _answer(self, where: int) -> tuple[float, float]:
        """Seconds of the answer's way back from a site, and its bytes over the first link."""
        if self.answer_bytes is None or where == 0:
            return 0.0, 0.0
        return sum(link.seconds(self.answer_bytes) for link in self.links[:where]), self.answer_bytes


def site(cuts: Cuts, block: int) -> int:
    """Site of a block."""
    return sum(c <= block for c in cuts)


def _expect(place: str, met: bool, problem: str, allowed: str) -> None:
    if not met:
        raise DataError(f"network, {place}", problem, allowed)
