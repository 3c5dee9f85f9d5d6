# SPDX-License-Identifier: Apache-2.0
"""Which layer of the student listens to which of the teacher: by position, or by what the teacher's blocks compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from gatewright.compress.features import Pairs, outputs
from gatewright.errors import DataError

Floats = npt.NDArray[np.float64]
RULES = ("first", "first_k", "last", "last_k", "gap")
RIDGE = 1e-6
"""Of a feature's covariance, relative to its mean variance: dead channels have none."""


def matched(student: Sequence[str], teacher: Sequence[str], rule: str = "gap") -> Pairs:
    """Pairs by position, as Lu et al. (arXiv 2206.14366) name the rules.

    Args:
        student, teacher: module paths of the blocks, in order; the student has no more of them.
        rule: `first` or `last` block with its like, as many blocks from either end (`first_k`, `last_k`), or `gap`:
            block s of S with block (s + 1) T / S - 1 of T.

    Raises:
        DataError: an unknown rule, no blocks, or more than the teacher has.
    """
    own, taught = len(student), len(teacher)
    if rule not in RULES:
        raise DataError("layers", f"rule {rule!r}", ", ".join(RULES))
    if not 0 < own <= taught:
        raise DataError("layers", f"{own} blocks of the student, {taught} of the teacher", "1 or more, at most as many")
    places = {
        "first": [(0, 0)],
        "last": [(own - 1, taught - 1)],
        "first_k": [(s, s) for s in range(own)],
        "last_k": [(s, taught - own + s) for s in range(own)],
        "gap": [(s, (s + 1) * taught // own - 1) for s in range(own)],
    }[rule]
    return {student[s]: teacher[t] for s, t in places}


def representations(model: nn.Module, x: torch.Tensor, paths: Sequence[str]) -> list[Floats]:
    """Per block, [samples, channels]: its result, averaged over all places, less the mean over samples.

    Args:
        x: some thousands of training inputs.
    """
    with torch.no_grad():
        _, found = outputs(model, x, tuple(paths))
    flat = [found[p] if found[p].dim() == 2 else _pooled(found[p]) for p in paths]
    return [(f - f.mean(dim=0)).double().numpy() for f in flat]


def _pooled(feature: torch.Tensor) -> torch.Tensor:
    return feature.mean(dim=1) if feature.dim() == 3 else feature.flatten(2).mean(dim=2)


def cca(a: Floats, b: Floats) -> float:
    """One minus the mean squared canonical correlation of [samples, channels]: 0 where one is linear in the other."""
    left, right = _whitened(a), _whitened(b)
    return 1 - float(np.square(left.T @ right).sum()) / min(left.shape[1], right.shape[1])


def linear_cka(a: Floats, b: Floats) -> float:
    """One minus the centered kernel alignment of linear kernels (Kornblith et al., arXiv 1905.00414)."""
    cross = float(np.square(a.T @ b).sum())
    return 1 - cross / (float(np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)) or 1.0)


def rbf_cka(a: Floats, b: Floats) -> float:
    """One minus the centered kernel alignment of Gaussian kernels, as wide as the median distance; O(samples^2)."""
    left, right = _kernel(a), _kernel(b)
    return 1 - float((left * right).sum()) / (float(np.linalg.norm(left) * np.linalg.norm(right)) or 1.0)


def _whitened(a: Floats) -> Floats:
    """An orthonormal basis of the columns, without directions that hardly vary."""
    left, values, _ = np.linalg.svd(a, full_matrices=False)
    return np.asarray(left[:, values > RIDGE**0.5 * max(values[0], 1e-300)])


def _kernel(a: Floats) -> Floats:
    square = np.square(a).sum(axis=1)
    apart = np.maximum(square[:, None] + square - 2 * a @ a.T, 0)
    kernel = np.exp(-apart / (2 * max(float(np.median(apart)), 1e-300)))
    mean = kernel.mean(axis=0)
    return np.asarray(kernel - mean - mean[:, None] + mean.mean())


DISTANCES: dict[str, Callable[[Floats, Floats], float]] = {"cca": cca, "linear_cka": linear_cka, "rbf_cka": rbf_cka}


def apart(features: Sequence[Floats], distance: str = "cca") -> Floats:
    """Distances of every two blocks, [blocks, blocks].

    Raises:
        DataError: an unknown distance.
    """
    if distance not in DISTANCES:
        raise DataError("layers", f"distance {distance!r}", ", ".join(DISTANCES))
    return np.array([[DISTANCES[distance](a, b) for b in features] for a in features])


def hint_points(distances: Floats, count: int, rounds: int = 80) -> list[int]:
    """Blocks that stand for all: k-means over blocks by their distances (PURSUhInT: Keser et al., arXiv 2103.00053).

    The first centroids are spread over the depth; then the centroid of a cluster is its member nearest to the mean
    index of the cluster.

    Args:
        distances: [blocks, blocks], see `apart`.
        count: of clusters.
        rounds: most rounds.

    Returns:
        The centroids, in order.

    Raises:
        DataError: more clusters than blocks.
    """
    blocks = len(distances)
    if not 0 < count <= blocks:
        raise DataError("hint points", f"{count} clusters of {blocks} blocks", f"1 to {blocks}")
    points = sorted({round(i * (blocks - 1) / max(count - 1, 1)) for i in range(count)})
    for _ in range(rounds):
        # A centroid belongs to its own cluster, however near another block is.
        nearest = np.argmin(distances[:, points], axis=1)
        nearest[points] = np.arange(len(points))
        members = [np.flatnonzero(nearest == c) for c in range(len(points))]
        moved = sorted(int(m[np.argmin(np.abs(m - m.mean()))]) for m in members)
        if moved == points:
            break
        points = moved
    return points
