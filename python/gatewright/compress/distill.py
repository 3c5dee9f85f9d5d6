# SPDX-License-Identifier: Apache-2.0
"""A student learns what a trained teacher says, and what it computes on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from gatewright.errors import DataError, UnsupportedError

Pairs = Mapping[str, str]
"""Module path of the student to that of the teacher."""


@dataclass(frozen=True, eq=False)
class Distillation:
    """A loss for `training.train`: that of the labels, of the teacher's scores, and of its features.

    `labels * CE + logits * T^2 KL(teacher / T || student / T) + features * mean_i |s_i - t_i|^2 / |t_i|^2`

    The second term is that of Hinton et al. (arXiv 1503.02531), with probabilities softmax(scores / T); the third
    compares outputs of modules (hints: Romero et al., arXiv 1412.6550), each relative to the teacher's mean square.

    Attributes:
        teacher: a trained model; it is not changed.
        pairs: whose outputs are compared; shapes must be equal.
        labels, logits, features: weights of the terms.
        temperature: T.
    """

    teacher: nn.Module
    pairs: Pairs
    labels: float = 0.5
    logits: float = 0.5
    features: float = 0.1
    temperature: float = 4.0

    def __call__(self, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        scores, own = outputs(model, x, tuple(self.pairs))
        training = self.teacher.training
        self.teacher.eval()
        with torch.no_grad():
            wanted, taught = outputs(self.teacher, x, tuple(self.pairs.values()))
        self.teacher.train(training)
        loss = self.labels * nn.functional.cross_entropy(scores, y)
        loss = loss + self.logits * soft(scores, wanted, self.temperature)
        hints = [hint(own[s], taught[t], s, t) for s, t in self.pairs.items()]
        return loss + self.features * torch.stack(hints).mean() if hints else loss


def soft(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """T^2 times the mean Kullback-Leibler divergence of softmax(student / T) from softmax(teacher / T), in nats."""
    chances = nn.functional.log_softmax(student / temperature, dim=1)
    wanted = nn.functional.log_softmax(teacher / temperature, dim=1)
    divergence = nn.functional.kl_div(chances, wanted, reduction="batchmean", log_target=True)
    return temperature**2 * divergence


def hint(student: torch.Tensor, teacher: torch.Tensor, path: str, other: str) -> torch.Tensor:
    """Mean squared difference of two features, relative to the teacher's mean square.

    Raises:
        UnsupportedError: their shapes differ.
    """
    if student.shape != teacher.shape:
        shapes = f"{list(student.shape[1:])} against the teacher's {list(teacher.shape[1:])} at {other}"
        raise UnsupportedError(path, shapes, "features of equal shape")
    # A feature that is zero throughout has nothing to teach.
    return (student - teacher).square().mean() / teacher.square().mean().clamp_min(1e-12)


def outputs(model: nn.Module, x: torch.Tensor, paths: tuple[str, ...]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """A model's result, and those of its modules at `paths`.

    Raises:
        DataError: no such module.
    """
    known = dict(model.named_modules())
    for path in paths:
        if path not in known:
            raise DataError(f"module {path}", "not found", ", ".join(k for k in known if k))
    found: dict[str, torch.Tensor] = {}
    hooks = [known[p].register_forward_hook(_keeper(found, p)) for p in paths]
    try:
        return model(x), found
    finally:
        for hook in hooks:
            hook.remove()


def _keeper(found: dict[str, torch.Tensor], path: str) -> Callable[..., None]:
    def keep(_module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        found[path] = output

    return keep
