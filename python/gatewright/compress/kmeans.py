# SPDX-License-Identifier: Apache-2.0
"""Plain k-means of weight vectors: what clusters weights after training, and the start of `dkm`.

Vectors are [n, d], centroids [k, d].
"""

from __future__ import annotations

import torch

from gatewright.errors import DataError


def distances(vectors: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """[n, k] squared Euclidean distances, differentiable in both."""
    square = (vectors * vectors).sum(1, keepdim=True) + (centroids * centroids).sum(1)
    return (square - 2 * vectors @ centroids.T).clamp_min(0)


def plus_plus(vectors: torch.Tensor, k: int, seed: int = 0) -> torch.Tensor:
    """k-means++ (Arthur and Vassilvitskii, SODA 2007): each start is drawn in proportion to its squared distance.

    Returns:
        [k, d]; with fewer different vectors than k, some are drawn twice.

    Raises:
        DataError: there are no vectors.
    """
    if not len(vectors):
        raise DataError("k-means", "no vectors", "at least one")
    draw = torch.Generator().manual_seed(seed)
    first = int(torch.randint(len(vectors), (1,), generator=draw))
    found = [vectors[first]]
    nearest = distances(vectors, vectors[first : first + 1])[:, 0]
    for _ in range(k - 1):
        chance = nearest if float(nearest.sum()) > 0 else torch.ones_like(nearest)
        pick = int(torch.multinomial(chance, 1, generator=draw)) if len(vectors) < 1 << 24 else 0
        found.append(vectors[pick])
        nearest = torch.minimum(nearest, distances(vectors, vectors[pick : pick + 1])[:, 0])
    return torch.stack(found)


def assign(vectors: torch.Tensor, centroids: torch.Tensor) -> torch.Tensor:
    """[n] index of the nearest centroid; the lowest of equally near ones."""
    return distances(vectors, centroids).argmin(1)


def lloyd(vectors: torch.Tensor, k: int, seed: int = 0, iterations: int = 100, tries: int = 3) -> torch.Tensor:
    """Centroids [k, d] with the least squared error among `tries` runs from k-means++ to convergence.

    A centroid that nothing is nearest to moves to the vector that is farthest from its own.
    """
    best, least = None, float("inf")
    for attempt in range(tries):
        centroids = plus_plus(vectors, k, seed * tries + attempt)
        before = torch.full((len(vectors),), -1)
        for _ in range(iterations):
            away = distances(vectors, centroids)
            code = away.argmin(1)
            if torch.equal(code, before):
                break
            centroids, before = means(vectors, code, centroids, away), code
        error = float(distances(vectors, centroids).min(1).values.sum())
        if error < least:
            best, least = centroids, error
    assert best is not None
    return best


def means(vectors: torch.Tensor, code: torch.Tensor, centroids: torch.Tensor, away: torch.Tensor) -> torch.Tensor:
    """Mean of the vectors of each code; see `lloyd` for codes that nothing has."""
    k = len(centroids)
    count = torch.bincount(code, minlength=k)
    sums = torch.zeros_like(centroids).index_add_(0, code, vectors)
    found = sums / count.clamp_min(1)[:, None]
    empty = torch.nonzero(count == 0)[:, 0]
    if len(empty):
        far = away.gather(1, code[:, None])[:, 0].argsort(descending=True)
        found[empty] = vectors[far[: len(empty)]] if len(far) >= len(empty) else centroids[empty]
    return found
