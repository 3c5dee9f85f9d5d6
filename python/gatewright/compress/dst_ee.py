# SPDX-License-Identifier: Apache-2.0
"""Sparse training at a fixed number of weights: every so often the smallest are dropped and others grown.

DST-EE (Huang et al., DAC 2023, arXiv 2211.16667) grows where

    S = |dL/dW| + c * ln(t) / (N + eps)

is largest; N counts the update rounds in which a weight was active, so what has not been tried gets a bonus. RigL (Evci
et al., arXiv 1911.11134) is c = 0, SET (Mocanu et al., arXiv 1707.04780) grows at random, and a static mask never
moves. The formula is from memory of the paper, see docs/decisions/0022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from gatewright.compress.sparse import Mask, masks, top
from gatewright.compress.training import Loss, Training, cross_entropy, train
from gatewright.errors import DataError

GROWTHS = ("gradient", "random", "none")


@dataclass(frozen=True)
class Exploration:
    """When and how masks move.

    Attributes:
        growth: "gradient" by S, "random", or "none" for a static mask.
        c: weight of the exploration bonus.
        relative: c counts in units of the layer's mean |dL/dW|, which differs by orders of magnitude between layers and
            in the course of training; False takes the formula as it stands.
        eps: added to N.
        every: steps between updates.
        drop, least: share of kept weights dropped per update, a cosine from the first to the last over all steps.
        until: share of the training after which masks stay as they are.
    """

    growth: str = "gradient"
    c: float = 0.0
    relative: bool = True
    eps: float = 1.0
    every: int = 50
    drop: float = 0.5
    least: float = 0.005
    until: float = 0.75

    def __post_init__(self) -> None:
        if self.growth not in GROWTHS:
            raise DataError("Exploration.growth", f"{self.growth!r}", ", ".join(GROWTHS))
        if self.every < 1 or not 0 <= self.least <= self.drop <= 1 or self.eps <= 0 or self.c < 0:
            problem = f"every = {self.every}, drop = {self.drop} to {self.least}, eps = {self.eps}, c = {self.c}"
            raise DataError("Exploration", problem, "every >= 1, 1 >= drop >= least >= 0, eps > 0, c >= 0")


STATIC = Exploration("none")
SET = Exploration("random")
RIGL = Exploration("gradient")
DST_EE = Exploration("gradient", c=1.0)
METHODS = {"static": STATIC, "SET": SET, "RigL": RIGL, "DST-EE": DST_EE}


class Explorer:
    """A loss that also moves the masks of the model that it is called for, once per step of `training.train`.

    Args:
        how: see `Exploration`.
        steps: of the whole training.
        loss: what is minimised.
    """

    def __init__(self, how: Exploration, steps: int, loss: Loss = cross_entropy) -> None:
        self.how, self.steps, self.loss, self.step = how, steps, loss, 0

    def __call__(self, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The loss of a batch; masks move before it when the step before was watched."""
        found = list(masks(model).values())
        if self.step and self._due(self.step):
            for path, mask in masks(model).items():
                layer: Any = model.get_submodule(path)
                update(layer.parametrizations.weight.original, mask, self.how, self.step, self._share())
        self.step += 1
        for mask in found:
            # Growth needs gradients of weights that are not there, in these steps only.
            mask.watch, mask.gradient = self._due(self.step) and self.how.growth == "gradient", None
        return self.loss(model, x, y)

    def _due(self, step: int) -> bool:
        moving = self.how.growth != "none" and step <= self.how.until * self.steps
        return moving and step % self.how.every == 0

    def _share(self) -> float:
        """Dropped at this step: a cosine."""
        turn = math.cos(math.pi * min(1.0, self.step / self.steps))
        return self.how.least + (self.how.drop - self.how.least) * (1 + turn) / 2


@torch.no_grad()
def update(weight: torch.Tensor, mask: Mask, how: Exploration, step: int, share: float) -> None:
    """One round: drop the smallest weights of a layer, grow as many in the same groups; new ones start at 0.

    Args:
        weight: the parameter behind the mask; what is not kept is set to 0.
        step: t, iterations so far.
        share: of the kept units that is dropped.
    """
    pattern = mask.pattern
    kept = pattern.units(mask.mask)[..., 0]
    size = pattern.units(weight * mask.mask).abs().sum(2)
    free = (~kept).sum(1)
    dropped = _smallest(size.masked_fill(~kept, math.inf), math.ceil(share * int(kept.sum())))
    # No group can grow more than it has places that were not kept.
    dropped &= top(-size.masked_fill(~dropped, math.inf), free)
    scores = growth(weight, mask, how, step).masked_fill(kept, -math.inf)
    grown = top(scores, dropped.sum(1))
    fresh = pattern.weights(kept & ~dropped | grown, weight.shape)
    weight.mul_(mask.mask & fresh)
    mask.mask.copy_(fresh)
    mask.active.add_(fresh)


def growth(weight: torch.Tensor, mask: Mask, how: Exploration, step: int) -> torch.Tensor:
    """[groups, members] score of every unit."""
    units = mask.pattern.units
    if how.growth == "random":
        return torch.rand(units(weight).shape[:2])
    if mask.gradient is None:
        raise DataError("growth", "no dense gradient", "a backward pass with `watch` before the update")
    gradient = units(mask.gradient).abs().sum(2)
    scale = float(gradient.mean()) if how.relative else 1.0
    bonus = math.log(max(2, step)) / (units(mask.active.float())[..., 0] + how.eps)
    return gradient + how.c * scale * bonus


def _smallest(scores: torch.Tensor, count: int) -> torch.Tensor:
    """The `count` smallest of all, by place."""
    return top(-scores.reshape(1, -1), torch.tensor([count])).reshape(scores.shape)


def exploration(model: nn.Module) -> float:
    """R, the share of weights that were ever active (the in-time over-parametrisation rate)."""
    counts = [m.active for m in masks(model).values()]
    return sum(int((a > 0).sum()) for a in counts) / sum(a.numel() for a in counts)


def train_sparse(
    model: nn.Module, x: Any, y: Any, training: Training, how: Exploration, loss: Loss = cross_entropy
) -> list[float]:
    """Train a model with masks in place; returns the mean loss of each epoch. Arguments as of `training.train`.

    Raises:
        DataError: the model has no masks; or as `training.train`.
    """
    if not masks(model):
        raise DataError("train_sparse", "the model has no masks", "a model from `sparse.masked`")
    steps = training.epochs * (len(x) // training.batch)
    return train(model, x, y, training, Explorer(how, steps, loss), "sparse training")


def scaled(how: Exploration, steps: int, rounds: int) -> Exploration:
    """The same with about so many updates in a training of `steps`."""
    return replace(how, every=max(1, round(how.until * steps / rounds)))
