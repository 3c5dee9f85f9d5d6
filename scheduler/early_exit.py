# SPDX-License-Identifier: Apache-2.0
"""Every set of exit thresholds that can be best, exactly, and what it does to the calibration samples.

Two thresholds of an exit differ only if a sample's entropy lies between them, so N samples and K exits leave at most
(N + 1)^K sets. Far fewer can be best. Let r be the number of samples that an exit gets wrong and some later exit gets
right. To let any other sample leave here costs no accuracy, and a sample that leaves earlier is never slower and
never sends more. So a best threshold is either infinite or just below one of the r: r + 1 candidates.
All products of candidates are counted in O(N r_1 .. r_(K-2) + r_1 .. r_K) steps, by cumulated histograms over the
last two exits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from gatewright.errors import DataError
from gatewright.scheduler.sites import Floats

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST = 500_000_000
"""Sets of thresholds that are counted: about two minutes."""


@dataclass(frozen=True, eq=False)
class Outcomes:
    """What sets of thresholds do.

    Attributes:
        thresholds: [sets, exits]; a sample leaves at the first exit where its entropy is at most the threshold.
        counts: [sets, exits + 1] samples that leave at each exit, and at the end.
        right: [sets] samples with a right label.
    """

    thresholds: Floats
    counts: Ints
    right: Ints


@dataclass(frozen=True, eq=False)
class _Candidates:
    """Thresholds of one exit. `bucket` [samples]: the first of them at which a sample leaves."""

    thresholds: Floats
    bucket: Ints


def outcomes(entropy: Floats, right: Bools) -> Outcomes:
    """Every set of thresholds that can be best for any cost that does not fall from exit to exit.

    Dropped are sets that let no sample leave somewhere (the exit is then better left out), and those that another
    one equals in accuracy while at each exit at most as many samples go on.

    Args:
        entropy: [exits, N].
        right: [exits + 1, N] whether the label is right, the end last.

    Raises:
        DataError: more than `MOST` sets.
    """
    exits = [_candidates(entropy[k], right[k], right[k + 1 :].any(axis=0)) for k in range(len(entropy))]
    sets = math.prod(len(e.thresholds) for e in exits)
    if sets > MOST:
        text = f"{sets:,} sets of thresholds of {len(exits)} exits with {right.shape[1]} samples"
        raise DataError("exits", text, f"at most {MOST:,}", "calibrate with fewer samples, or drop an exit")
    found = list(_slices(exits, right))
    return Outcomes(*(np.concatenate([getattr(f, k) for f in found]) for k in ("thresholds", "counts", "right")))


def _candidates(entropy: Floats, right: Bools, later: Bools) -> _Candidates:
    values, group = np.unique(entropy, return_inverse=True)
    regret = np.zeros(len(values), bool)
    regret[group[~right & later]] = True
    # The `leave` lowest groups leave: all, or those below a group with a sample that had better stay.
    leave = np.append(np.flatnonzero(regret[1:]) + 1, len(values)).astype(np.int64)
    below, above = values[leave - 1], np.append(values, np.inf)[leave]
    # Midway between two calibration samples, if there is a float in between: new samples fall on either side.
    middle = below + (above - below) / 2
    middle = np.where(np.isinf(above) | (middle < above), middle, below)
    return _Candidates(middle, np.searchsorted(leave, group, side="right"))


def _slices(exits: Sequence[_Candidates], right: Bools) -> Iterator[Outcomes]:
    """For each choice at all exits but the last two, what remains of the sets of thresholds."""
    samples = right.shape[1]
    if not exits:
        yield Outcomes(np.zeros((1, 0)), np.array([[samples]]), right[-1:].sum(axis=1))
        return
    # One exit alone gets a companion that nobody leaves at.
    pair = list(exits[-2:]) if len(exits) > 1 else [_Candidates(np.zeros(1), np.ones(samples, np.int64)), *exits]
    for chosen in product(*(range(len(e.thresholds)) for e in exits[:-2])):
        alive, left, correct = np.ones(samples, bool), list[int](), 0
        for exit, index, good in zip(exits, chosen, right, strict=False):
            leaves = alive & (exit.bucket <= index)
            left.append(int(leaves.sum()))
            correct += int(good[leaves].sum())
            alive &= ~leaves
        counts, rights = _last_two(pair[0], pair[1], alive, right[-3:])
        keep = _undominated(counts, rights)
        places = np.unravel_index(keep, (len(pair[0].thresholds), len(pair[1].thresholds)))
        ends = np.stack([e.thresholds[i] for e, i in zip(pair, places, strict=True)], axis=1)
        earlier = [e.thresholds[i] for e, i in zip(exits, chosen, strict=False)]
        skip = len(pair) - min(len(exits), 2)
        thresholds = np.hstack([np.broadcast_to(earlier, (len(keep), len(chosen))), ends[:, skip:]])
        before = np.broadcast_to(np.asarray(left, np.int64), (len(keep), len(chosen)))
        yield Outcomes(thresholds, np.hstack([before, counts[keep, skip:]]), rights[keep] + correct)


def _last_two(first: _Candidates, second: _Candidates, alive: Bools, right: Bools) -> tuple[Ints, Ints]:
    """Of the samples that are left: [sets, 3] how many leave at two exits and the end, and [sets] how many are right.

    Sets run over the thresholds of the first exit, then of the second.
    """
    shape = len(first.thresholds) + 1, len(second.thresholds)
    place = np.ravel_multi_index((first.bucket[alive], second.bucket[alive]), shape)

    def goes_on(weights: Bools) -> tuple[Ints, Ints]:
        """Weight of those who leave at the first exit [a]; of those who go on, by bucket at the second [a, b]."""
        # Sums of ones are exact in doubles.
        table = np.bincount(place, weights, shape[0] * shape[1]).astype(np.int64).reshape(shape)
        leaving = table.cumsum(axis=0)[:-1]
        return leaving.sum(axis=1), table.sum(axis=0) - leaving

    one, rest = goes_on(np.ones(int(alive.sum()), bool))
    two = rest.cumsum(axis=1)
    counts = np.stack(np.broadcast_arrays(one[:, None], two, rest.sum(axis=1, keepdims=True) - two), axis=-1)
    at_end = right[-1, alive]
    early = goes_on(right[-3, alive])[0] if len(right) > 2 else np.zeros_like(one)
    good, last = goes_on(right[-2, alive])[1].cumsum(axis=1), goes_on(at_end)[1]
    rights = early[:, None] + good + last.sum(axis=1, keepdims=True) - last.cumsum(axis=1)
    return counts.reshape(-1, 3), rights.reshape(-1)


def _undominated(counts: Ints, right: Ints) -> Ints:
    """Indices of the sets [sets, 3] that none with as many right labels equals with fewer or as many going on."""
    past, through = counts[:, 1] + counts[:, 2], counts[:, 2]
    order = np.lexsort((through, past, right))
    new = np.append(True, np.diff(right[order]) > 0)
    # The offset falls from one value of `right` to the next, so the running minimum starts anew there.
    offset = (new.sum() - new.cumsum()) * (counts[0].sum() + 1)
    running = np.minimum.accumulate(through[order] + offset)
    return order[np.append(True, running[1:] < running[:-1])]
