# SPDX-License-Identifier: Apache-2.0
"""AE-BERT: pruning ratios per matrix under one budget, by trial (Huang et al., ISQED 2022, arXiv 2206.10461).

1. Candidates draw a ratio p_l for every matrix so that `sum p_l |W_l| = P sum |W_l|`.
2. Each is pruned by magnitude in a copy of the trained model and judged as it is.
3. Only the best one is fine-tuned, its masks fixed.

How ratios are drawn is not known from the abstract; here p_l = P + uniform(-spread, spread), moved together and clipped
so that the budget is met.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from gatewright.compress.matrices import matrices
from gatewright.compress.sparse import Pattern, masked
from gatewright.errors import DataError
from gatewright.progress import track

Judge = Callable[[nn.Module], float]
"""Quality of a model; more is better."""

TRIES = 10
"""Draws per candidate: clipping makes some equal, and those do not count, so few matrices may have fewer."""


@dataclass(frozen=True)
class Budget:
    """What candidates have in common.

    Attributes:
        ratio: P, share of all weights that is pruned, of the matrices that take part.
        spread: of a matrix's ratio around P.
        most: largest ratio of a matrix.
        count: candidates, the first of them with equal ratios.
        seed: of the others.
    """

    ratio: float
    spread: float = 0.2
    most: float = 0.95
    count: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.ratio < self.most < 1 or self.spread < 0 or self.count < 1:
            problem = f"ratio = {self.ratio}, most = {self.most}, spread = {self.spread}, count = {self.count}"
            raise DataError("Budget", problem, "0 < ratio < most < 1, spread >= 0, count >= 1")


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found.

    Attributes:
        model: the best candidate with its masks, not fine-tuned.
        ratios: of its matrices.
        scores: of all candidates; the first is that of equal ratios.
    """

    model: nn.Module
    ratios: dict[str, float]
    scores: list[float]


def candidates(
    sizes: Mapping[str, int], budget: Budget, ties: Sequence[Collection[str]] = ()
) -> list[dict[str, float]]:
    """Ratios of every candidate; all of them prune the same number of weights.

    Args:
        sizes: weights of each matrix.
        ties: matrices that are to have one ratio, e.g. those that share hardware in a ring.
    """
    groups = [tuple(t) for t in ties] + [(p,) for p in sizes if not any(p in t for t in ties)]
    weights = np.array([sum(sizes[p] for p in g) for g in groups], np.float64)
    draw = np.random.default_rng(budget.seed)
    found = [dict.fromkeys(sizes, budget.ratio)]
    for _ in range(TRIES * budget.count):
        raw = budget.ratio + draw.uniform(-budget.spread, budget.spread, len(groups))
        level = fitted(raw, weights, budget)
        ratios = {p: float(r) for g, r in zip(groups, level, strict=True) for p in g}
        if len(found) < budget.count and ratios not in found:
            found.append(ratios)
    return found


def fitted(raw: np.ndarray, weights: np.ndarray, budget: Budget) -> np.ndarray:  # type: ignore[type-arg]
    """`raw` plus one number, clipped to [0, most], so that the budget is met exactly; by bisection."""
    low, high = -1.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        short = np.clip(raw + middle, 0, budget.most) @ weights < budget.ratio * weights.sum()
        low, high = (middle, high) if short else (low, middle)
    return np.asarray(np.clip(raw + high, 0, budget.most))


def search(
    model: nn.Module,
    judge: Judge,
    budget: Budget,
    pattern: Pattern | None = None,
    *,
    keep: Collection[str] = (),
    ties: Sequence[Collection[str]] = (),
) -> Found:
    """Prune the model in `budget.count` ways, judge each, and return the best.

    Args:
        model: trained for its task; it is not changed.
        judge: called with a pruned copy in evaluation mode.
        pattern: of the zeros; unstructured by default.
        keep: globs of module paths that stay dense and do not count.
        ties: see `candidates`.

    Raises:
        UnsupportedError: a glob matches nothing, or the pattern does not fit a matrix.
    """
    sizes = {p: layer.weight.numel() for p, layer in matrices(model, keep, "ae_bert").items()}
    every = candidates(sizes, budget, ties)
    scores = []
    for ratios in track(every, "candidates"):
        scores.append(judge(pruned(model, ratios, pattern, keep).eval()))
    best = every[int(np.argmax(scores))]
    return Found(pruned(model, best, pattern, keep), best, scores)


def pruned(
    model: nn.Module, ratios: Mapping[str, float], pattern: Pattern | None = None, keep: Collection[str] = ()
) -> nn.Module:
    """A copy whose largest weights are kept, by each matrix's ratio."""
    return masked(model, {p: 1 - r for p, r in ratios.items()}, pattern, keep=keep)
