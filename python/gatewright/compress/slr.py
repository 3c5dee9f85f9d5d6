# SPDX-License-Identifier: Apache-2.0
"""Train and prune: weights are drawn to a sparse copy of themselves, then cut off, and the rest is trained again.

With Z the sparse copy and Lambda multipliers of W = Z, training minimises over W

    L(W, Z, Lambda) = f(W) + <Lambda, W - Z> + rho / 2 |W - Z|**2

and every so often Z and Lambda move. In surrogate Lagrangian relaxation (SLR: Gurevin et al., IJCAI 2021;
on graph networks Peng et al., ICCD 2022, arXiv 2209.04766) Lambda moves only where L has fallen:

    if L(W, Z) < L(W', Z):    s <- a_k s |W' - Z| / |W - Z|,  Lambda <- Lambda + s (W - Z)       W': of the round before
    Z' = the largest of W + Lambda / rho
    if L(W, Z') < L(W, Z):    s <- a_k s |W - Z| / |W - Z'|,  Lambda <- Lambda + s (W - Z')
    a_k = 1 - 1 / (M k**(1 - 1 / k**r))                                                          k: moves so far

ADMM is the special case Lambda <- Lambda + rho (W - Z') in every round. Norms and sums are over all layers.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.utils import parametrize

from gatewright.compress.matrices import matrices, plain
from gatewright.compress.sparse import Pattern, masked, shares, top
from gatewright.compress.training import Loss, Training, cross_entropy, train
from gatewright.errors import DataError

KINDS = ("slr", "admm")


@dataclass(frozen=True)
class Relaxation:
    """How Z and Lambda move.

    Attributes:
        kind: "slr" or "admm".
        rho: weight of the penalty.
        step: s before the first round.
        scale, power: M and r.
        every: training steps between rounds.
    """

    kind: str = "slr"
    rho: float = 0.01
    step: float = 0.001
    scale: float = 300.0
    power: float = 0.1
    every: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DataError("Relaxation.kind", f"{self.kind!r}", " or ".join(KINDS))
        if min(self.rho, self.step, self.power) <= 0 or self.scale < 1 or self.every < 1:
            problem = f"rho = {self.rho}, step = {self.step}, M = {self.scale}, r = {self.power}, every = {self.every}"
            raise DataError("Relaxation", problem, "rho, step and r above 0, M and every from 1")

    def fading(self, k: int) -> float:
        """a_k, which comes ever closer to 1."""
        return 1 - 1 / (self.scale * k ** (1 - 1 / k**self.power))


SLR = Relaxation()
ADMM = Relaxation("admm")
METHODS = {"SLR": SLR, "ADMM": ADMM}


class Split(nn.Module):
    """The parametrisation that leaves a weight as it is and keeps Z and Lambda, so that checkpoints hold them.

    Attributes:
        target, multiplier: Z and Lambda, of the weight's shape.
        density, pattern: what Z keeps.
    """

    target: torch.Tensor
    multiplier: torch.Tensor

    def __init__(self, weight: torch.Tensor, density: float, pattern: Pattern, path: str = "") -> None:
        super().__init__()
        pattern.units(weight, path)
        self.density, self.pattern = density, pattern
        self.register_buffer("target", self.projected(weight))
        self.register_buffer("multiplier", torch.zeros_like(weight))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight."""
        return weight

    def projected(self, weight: torch.Tensor) -> torch.Tensor:
        """The nearest tensor of the density: its largest units, the rest 0."""
        scores = self.pattern.units(weight).square().sum(2)
        kept = top(scores, torch.full((len(scores),), self.pattern.count(self.density, scores.shape[1])))
        return weight * self.pattern.weights(kept, weight.shape)

    def gap(self, weight: torch.Tensor, target: torch.Tensor, rho: float) -> torch.Tensor:
        """What L adds to f."""
        apart = weight - target
        return (self.multiplier * apart).sum() + rho / 2 * apart.square().sum()


def split(
    model: nn.Module,
    density: float | Mapping[str, float],
    pattern: Pattern | None = None,
    *,
    distribution: str = "erk",
    keep: Collection[str] = (),
) -> nn.Module:
    """A copy of a model whose layers have Z and Lambda; arguments and errors as of `sparse.masked`."""
    model, pattern = copy.deepcopy(model), pattern or Pattern()
    layers = matrices(model, keep, "split")
    for path, share in shares(layers, density, distribution, "split").items():
        made = Split(layers[path].weight.detach(), share, pattern, path)
        parametrize.register_parametrization(layers[path], "weight", made)
    return model


def splits(model: nn.Module) -> dict[str, tuple[torch.Tensor, Split]]:
    """Weight and `Split` of each layer that has one, by its path."""
    found: dict[str, tuple[torch.Tensor, Split]] = {}
    for path, module in model.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            parts: Any = module.parametrizations
            found.update((path, (parts["weight"].original, p)) for p in parts["weight"] if isinstance(p, Split))
    return found


class Relaxed:
    """The loss L of the model that it is called for; Z and Lambda move every `how.every` calls.

    f of a round is the loss of the batch at hand.

    Attributes:
        rounds: k, moves of Lambda so far.
        step: s.
    """

    def __init__(self, how: Relaxation, loss: Loss = cross_entropy) -> None:
        self.how, self.loss, self.step, self.rounds, self.calls = how, loss, how.step, 0, 0
        self._before: tuple[float, list[torch.Tensor]] | None = None

    def __call__(self, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """L of a batch."""
        found = list(splits(model).values())
        value = self.loss(model, x, y)
        if self.calls % self.how.every == 0:
            self.move(found, float(value.detach()))
        self.calls += 1
        gaps = [part.gap(weight, part.target, self.how.rho) for weight, part in found]
        return value + torch.stack(gaps).sum()

    @torch.no_grad()
    def move(self, found: list[tuple[torch.Tensor, Split]], value: float) -> None:
        """One round, with f at the weights as they are; the first one only remembers them."""
        weights, old = [w.detach().clone() for w, _ in found], [p.target.clone() for _, p in found]
        if self._before is not None and self.how.kind == "slr":
            past, before = self._before
            if value + self._gap(found, weights, old) < past + self._gap(found, before, old):
                self._raise(found, weights, old, _norm(before, old))
        if self._before is not None:
            for weight, (_, part) in zip(weights, found, strict=True):
                part.target.copy_(part.projected(weight + part.multiplier / self.how.rho))
            new = [p.target for _, p in found]
            if self.how.kind == "admm":
                for weight, (_, part) in zip(weights, found, strict=True):
                    part.multiplier.add_(weight - part.target, alpha=self.how.rho)
            elif self._gap(found, weights, new) < self._gap(found, weights, old):
                self._raise(found, weights, new, _norm(weights, old))
        self._before = (value, weights)

    def _gap(
        self, found: list[tuple[torch.Tensor, Split]], weights: list[torch.Tensor], targets: list[torch.Tensor]
    ) -> float:
        parts = (p.gap(w, z, self.how.rho) for (_, p), w, z in zip(found, weights, targets, strict=True))
        return sum(float(p) for p in parts)

    def _raise(
        self,
        found: list[tuple[torch.Tensor, Split]],
        weights: list[torch.Tensor],
        targets: list[torch.Tensor],
        before: float,
    ) -> None:
        """A step of the multipliers; none where W = Z."""
        apart = _norm(weights, targets)
        if not apart:
            return
        self.rounds += 1
        self.step *= self.how.fading(self.rounds) * before / apart
        for weight, target, (_, part) in zip(weights, targets, found, strict=True):
            part.multiplier.add_(weight - target, alpha=self.step)


def _norm(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    return float(torch.stack([(x - y).square().sum() for x, y in zip(a, b, strict=True)]).sum().sqrt())


def relax(
    model: nn.Module, x: Any, y: Any, training: Training, how: Relaxation = SLR, loss: Loss = cross_entropy
) -> list[float]:
    """Train a model from `split` in place; returns the mean L of each epoch. Arguments as of `training.train`.

    Raises:
        DataError: the model has no splits; or as `training.train`.
    """
    if not splits(model):
        raise DataError("relax", "the model has no splits", "a model from `slr.split`")
    return train(model, x, y, training, Relaxed(how, loss), how.kind)


def pruned(model: nn.Module) -> nn.Module:
    """A copy of a model from `split` with masks of the largest weights in place of Z and Lambda.

    Raises:
        DataError: the model has no splits.
    """
    model, found = copy.deepcopy(model), splits(model)
    if not found:
        raise DataError("pruned", "the model has no splits", "a model from `slr.split`")
    for path in found:
        plain(model.get_submodule(path))
    pattern = next(iter(found.values()))[1].pattern
    return masked(model, {path: part.density for path, (_, part) in found.items()}, pattern)


def train_and_prune(
    model: nn.Module,
    x: Any,
    y: Any,
    density: float | Mapping[str, float],
    relaxed: Training,
    retrained: Training,
    how: Relaxation = SLR,
    *,
    pattern: Pattern | None = None,
    keep: Collection[str] = (),
    loss: Loss = cross_entropy,
) -> nn.Module:
    """What SLR or ADMM make of a trained model: relaxed, pruned, retrained with masks that stay; see `sparse.finished`.

    Args:
        x, y: as of `training.train`.
        density, pattern, keep: as of `sparse.masked`.
        relaxed, retrained: both trainings.

    Raises:
        UnsupportedError, DataError: as `split` and `training.train`.
    """
    working = split(model, density, pattern, keep=keep)
    relax(working, x, y, relaxed, how, loss)
    made = pruned(working)
    train(made, x, y, retrained, loss, "retraining")
    return made
