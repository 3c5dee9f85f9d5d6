# SPDX-License-Identifier: Apache-2.0
"""Where to cut a network over device, edge and host, and when its exits let a sample go: the exact best choice.

Everything is enumerated that can be best: S sites and n blocks give C(n + S - 1, S - 1) ways to cut, K exits 2^K ways
to use them, and `early_exit` the sets of thresholds of each. These are counted once for all cuts; after that a cut
costs one product of matrices. Averages over the calibration samples are what is promised, not bounds for others.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import combinations

import numpy as np

from gatewright.errors import BudgetError, DataError
from gatewright.scheduler.early_exit import Bools, Ints, Outcomes, outcomes
from gatewright.scheduler.sites import Cuts, Floats, Network, site

SLACK = 1e-9
"""Relative; sums of times are not exact."""


class Measure(Enum):
    """What is made best, or limited: a mean per sample."""

    LATENCY = "latency"
    ACCURACY = "accuracy"
    BYTES = "bytes"

    @property
    def unit(self) -> str:
        """For messages."""
        return {Measure.LATENCY: " s", Measure.ACCURACY: "", Measure.BYTES: " bytes"}[self]


_SIGN = {Measure.LATENCY: 1.0, Measure.ACCURACY: -1.0, Measure.BYTES: 1.0}
"""Makes less better."""

Limits = Mapping[Measure, float]


@dataclass(frozen=True)
class Split:
    """A choice and its means over samples.

    Attributes:
        cuts: see `sites.Cuts`.
        thresholds: of the exits that run, by name; infinite where every sample leaves.
        shares: of the samples that leave at each of these exits, and at the "end".
        latency: seconds.
        accuracy: share of right labels.
        bytes: over the first link.
    """

    cuts: Cuts
    thresholds: dict[str, float]
    shares: dict[str, float]
    latency: float
    accuracy: float
    bytes: float

    def placed(self, network: Network) -> dict[str, str]:
        """Site of every block that some sample reaches: none does behind an exit that all leave at."""
        final = {e.after for e in network.exits if self.thresholds.get(e.name) == math.inf}
        found = {}
        for index, block in enumerate(network.blocks):
            found[block.name] = network.sites[site(self.cuts, index)]
            if block.name in final:
                break
        return found


@dataclass(frozen=True, eq=False)
class _Table:
    """All that can be best with these cuts and exits: [sets] values of each measure."""

    cuts: Cuts
    used: Sequence[int]
    sets: Outcomes
    values: dict[Measure, Floats]

    def allowed(self, limits: Limits) -> Bools:
        """Which sets meet all limits."""
        met = np.ones(len(self.sets.right), bool)
        for measure, limit in limits.items():
            sign = _SIGN[measure]
            met &= sign * self.values[measure] <= sign * limit + SLACK * abs(limit)
        return met

    def split(self, network: Network, index: int) -> Split:
        """One of the sets."""
        names = [network.exits[e].name for e in self.used]
        shares = (self.sets.counts[index] / len(network.right)).tolist()
        thresholds = self.sets.thresholds[index].tolist()
        found = {m.value: float(v[index]) for m, v in self.values.items()}
        return Split(
            self.cuts,
            dict(zip(names, thresholds, strict=True)),
            dict(zip([*names, "end"], shares, strict=True)),
            **found,
        )


def _tables(network: Network) -> Iterator[_Table]:
    samples, cuts = len(network.right), network.cuts()
    for number in range(len(network.exits) + 1):
        for used in combinations(range(len(network.exits)), number):
            entropy, right = _calibration(network, used)
            sets = outcomes(entropy, right)
            accuracy = sets.right / samples
            for cut in cuts:
                latency, size = (sets.counts @ cost / samples for cost in network.costs(cut, used))
                found = {Measure.LATENCY: latency, Measure.ACCURACY: accuracy, Measure.BYTES: size}
                yield _Table(cut, used, sets, found)


def _calibration(network: Network, used: Sequence[int]) -> tuple[Floats, Bools]:
    exits = [network.exits[e] for e in used]
    entropy = np.asarray([e.entropy for e in exits], np.float64).reshape(len(exits), len(network.right))
    return entropy, np.asarray([*(e.right for e in exits), network.right], bool)


def choose_split(network: Network, objective: Measure, limits: Limits) -> Split:
    """The best cuts, exits and thresholds.

    Args:
        objective: what is made best; ties go to the better latency, then accuracy, then bytes.
        limits: least accuracy, greatest latency in seconds, most bytes over the first link: means per sample.

    Raises:
        BudgetError: nothing meets the limits; names which fails, the best that can be reached, and what would help.
        DataError: too many samples or exits to count, or a limit on what is made best.
    """
    if objective in limits:
        raise DataError("limits", f"{objective.value} is limited and the objective", "one of the two")
    found = _best(network, objective, limits)
    if found is None:
        raise _infeasible(network, limits)
    return found


def _best(network: Network, objective: Measure, limits: Limits) -> Split | None:
    order = [objective, *(m for m in Measure if m is not objective)]
    best: tuple[tuple[float, ...], Split] | None = None
    for table in _tables(network):
        alive = np.flatnonzero(table.allowed(limits))
        for measure in order:
            if len(alive):
                values = _SIGN[measure] * table.values[measure][alive]
                alive = alive[values <= values.min()]
        if len(alive):
            key = tuple(float(_SIGN[m] * table.values[m][alive[0]]) for m in order)
            if best is None or key < best[0]:
                best = key, table.split(network, int(alive[0]))
    return best and best[1]


def front(network: Network, limits: Limits | None = None) -> list[Split]:
    """Every choice that none beats in latency and accuracy, from the fastest to the most accurate.

    Args:
        limits: as in `choose_split`.
    """
    best = np.full(len(network.right) + 1, np.inf)
    found: dict[int, tuple[_Table, int]] = {}
    for table in _tables(network):
        alive = np.flatnonzero(table.allowed(limits or {}))
        latency = table.values[Measure.LATENCY][alive]
        order = np.lexsort((latency, table.sets.right[alive]))
        levels, first = np.unique(table.sets.right[alive][order], return_index=True)
        fastest: Ints = alive[order[first]]
        for level, index in zip(levels.tolist(), fastest.tolist(), strict=True):
            seconds = float(table.values[Measure.LATENCY][index])
            if seconds < best[level]:
                best[level], found[level] = seconds, (table, index)
    # Faster than all that are more accurate.
    ahead = np.append(np.minimum.accumulate(best[::-1])[::-1][1:], np.inf)
    kept = np.flatnonzero(best * (1 + SLACK) < ahead).tolist()
    return [found[level][0].split(network, found[level][1]) for level in kept]


def evaluate(network: Network, cuts: Cuts, thresholds: Mapping[str, float]) -> Split:
    """What given cuts and thresholds do to the samples of a network, for instance to others than it was chosen by.

    Args:
        thresholds: by exit; exits that are missing do not run.

    Raises:
        DataError: an exit is unknown.
    """
    known = [e.name for e in network.exits]
    if set(thresholds) - set(known):
        raise DataError("thresholds", f"exits {sorted(set(thresholds) - set(known))}", ", ".join(known) or "none")
    used = [i for i, name in enumerate(known) if name in thresholds]
    entropy, right = _calibration(network, used)
    leaves = entropy <= np.asarray([thresholds[known[i]] for i in used]).reshape(-1, 1)
    where = np.argmax(np.vstack([leaves, np.ones(len(network.right), bool)]), axis=0)
    counts = np.bincount(where, minlength=len(used) + 1)[None]
    correct = right[where, np.arange(len(where))].sum(keepdims=True)
    latency, size = (counts @ cost / len(where) for cost in network.costs(cuts, used))
    values = {Measure.LATENCY: latency, Measure.ACCURACY: correct / len(where), Measure.BYTES: size}
    sets = Outcomes(np.asarray([[thresholds[known[i]] for i in used]]), counts, correct)
    return _Table(cuts, used, sets, values).split(network, 0)


def _infeasible(network: Network, limits: Limits) -> BudgetError:
    """Say which limits fail, alone or beside the others, and how far each would have to give."""
    alone = {m: _reach(network, m, {}) or 0.0 for m in limits}
    missed = [m for m in limits if _SIGN[m] * alone[m] > _SIGN[m] * limits[m] + SLACK * abs(limits[m])]
    lines, hints = [], []
    for measure, limit in limits.items():
        others = {k: v for k, v in limits.items() if k is not measure}
        reached = _reach(network, measure, others)
        if reached is not None:
            hints.append(_bound(measure, reached))
        if measure in missed or (not missed and reached is not None):
            beside = " with " + " and ".join(_bound(k, v) for k, v in others.items()) if others else ""
            best = f"{reached:.6g} is the best{beside}" if reached is not None else f"{alone[measure]:.6g} is the best"
            lines.append(f"{_bound(measure, limit)} wanted, {best}")
    give = "accept " + " or ".join(hints) if hints else "relax " + " and ".join(m.value for m in missed or limits)
    return BudgetError(
        "split",
        "; ".join(lines) or "each limit can be met, but no two together",
        "limits that some cuts and thresholds meet",
        f"{give}; or add an exit, a faster link or a faster site",
    )


def _reach(network: Network, measure: Measure, limits: Limits) -> float | None:
    """Best value of a measure, if the limits can be met."""
    found = _best(network, measure, limits)
    return None if found is None else float(getattr(found, measure.value))


def _bound(measure: Measure, value: float) -> str:
    return f"{measure.value} {'>=' if measure is Measure.ACCURACY else '<='} {value:.6g}{measure.unit}"
