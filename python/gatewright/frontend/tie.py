# SPDX-License-Identifier: Apache-2.0
"""Iterations of one piece of hardware: which calls and values of a program correspond to each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from gatewright.errors import CalibrationError
from gatewright.frontend.program import Step


class Groups:
    """Disjoint sets of names (union-find)."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parent = {n: n for n in names}

    def of(self, name: str) -> str:
        """The name that stands for the set of `name`."""
        while self._parent[name] != name:
            self._parent[name] = name = self._parent[self._parent[name]]
        return name

    def join(self, names: Sequence[str]) -> None:
        """Make one set of those of `names`."""
        for other in names[1:]:
            self._parent[self.of(other)] = self.of(names[0])

    @property
    def members(self) -> dict[str, list[str]]:
        """All sets, by the name that stands for them."""
        found: dict[str, list[str]] = defaultdict(list)
        for name in self._parent:
            found[self.of(name)].append(name)
        return dict(found)


@dataclass(frozen=True)
class Spot:
    """Where in an iteration a call is.

    Attributes:
        loop: module path before the index.
        index: of the iteration.
        place: what corresponding calls share: path after the index, operator, and its how-manieth call there.
    """

    loop: str
    index: int
    place: tuple[str, str, int]


@dataclass(frozen=True, eq=False)
class Ties:
    """Calls and values that correspond over the iterations.

    Attributes:
        spots: by name of the call, those within iterations.
        siblings: names of corresponding calls, in the order of their iterations.
        crossings: names of the values that enter the iterations at one place, from outside or from the iteration
            before.
    """

    spots: Mapping[str, Spot]
    siblings: tuple[tuple[str, ...], ...]
    crossings: tuple[tuple[str, ...], ...]


def find(steps: Sequence[Step], reads: Mapping[str, Sequence[str]], patterns: Sequence[str]) -> Ties:
    """The ties among `steps`.

    Args:
        steps: the calls that become hardware.
        reads: for each of them the calls, or the input, that its activations come from.
        patterns: see `QuantConfig.tie`.

    Raises:
        CalibrationError: a pattern matches nothing, or iterations differ in structure.
    """
    spots: dict[str, Spot] = {}
    for pattern in patterns:
        found = _spots(steps, pattern)
        if not found:
            paths = ", ".join(sorted({s.path for s in steps if s.path}))
            raise CalibrationError(f"QuantConfig.tie {pattern!r}", "no module path matches", paths)
        spots |= found
    alike: dict[tuple[str, tuple[str, str, int]], dict[int, str]] = defaultdict(dict)
    for name, spot in spots.items():
        alike[spot.loop, spot.place][spot.index] = name
    _check(spots, alike)
    siblings = tuple(tuple(by_index[i] for i in sorted(by_index)) for by_index in alike.values())
    return Ties(spots, siblings, tuple(_crossings(siblings, spots, reads)))


def _spots(steps: Sequence[Step], pattern: str) -> dict[str, Spot]:
    """Calls whose path starts with the pattern, its last segment being a number."""
    wanted = pattern.split(".")
    seen: Counter[tuple[str, int, str, str]] = Counter()
    found: dict[str, Spot] = {}
    for step in steps:
        have = step.path.split(".")
        head, rest = have[: len(wanted)], ".".join(have[len(wanted) :])
        if len(head) < len(wanted) or not head[-1].isdigit():
            continue
        if not all(fnmatchcase(h, w) for h, w in zip(head[:-1], wanted[:-1], strict=True)):
            continue
        loop, index = ".".join(head[:-1]), int(head[-1])
        count = seen[loop, index, rest, step.target]
        seen[loop, index, rest, step.target] += 1
        found[step.name] = Spot(loop, index, (rest, step.target, count))
    return found


def _check(spots: Mapping[str, Spot], alike: Mapping[tuple[str, tuple[str, str, int]], Mapping[int, str]]) -> None:
    """Every iteration of a loop has the same calls."""
    indices: dict[str, set[int]] = defaultdict(set)
    for spot in spots.values():
        indices[spot.loop].add(spot.index)
    for (loop, (rest, target, _)), by_index in alike.items():
        for missing in sorted(indices[loop] - set(by_index)):
            has = ".".join(p for p in (loop, str(min(by_index)), rest) if p)
            lacks = ".".join(p for p in (loop, str(missing)) if p)
            raise CalibrationError(
                f"QuantConfig.tie, {lacks}",
                f"nothing corresponds to {has} ({target})",
                "iterations of one structure",
                "leave out the tie, or give every iteration the same layers",
            )


def _crossings(
    siblings: Sequence[Sequence[str]], spots: Mapping[str, Spot], reads: Mapping[str, Sequence[str]]
) -> Iterable[tuple[str, ...]]:
    for names in siblings:
        for port, sources in enumerate(zip(*(reads[n] for n in names), strict=True)):
            inside = [
                s in spots and (spots[s].loop, spots[s].index) == (spots[n].loop, spots[n].index)
                for s, n in zip(sources, names, strict=True)
            ]
            if any(inside) and not all(inside):
                raise CalibrationError(
                    f"QuantConfig.tie, {spots[names[0]].loop}",
                    f"input {port} of {spots[names[0]].place[0]} comes from within some iterations only",
                    "iterations of one structure",
                )
            if not any(inside):
                yield tuple(sources)
