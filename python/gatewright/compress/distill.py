# SPDX-License-Identifier: Apache-2.0
"""A student learns what a trained teacher says, and what it computes on the way."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from gatewright.compress.features import Pairs, outputs
from gatewright.compress.knowledge import Measure, hint
from gatewright.compress.projectors import Projected


@dataclass(frozen=True, eq=False)
class Distillation:
    """A loss for `training.train`: that of the labels, of the teacher's scores, and of its features.

    `labels * CE + logits * T^2 KL(teacher / T || student / T) + features * mean_i measure(s_i, t_i)`

    The second term is that of Hinton et al. (arXiv 1503.02531), with probabilities softmax(scores / T).

    Attributes:
        teacher: a trained model; it is not changed.
        pairs: whose outputs are compared; `layers` finds them. Where widths differ, train a `Projected` student.
        labels, logits, features: weights of the terms.
        temperature: T.
        measure: how two features are compared, see `knowledge`.
    """

    teacher: nn.Module
    pairs: Pairs
    labels: float = 0.5
    logits: float = 0.5
    features: float = 0.1
    temperature: float = 4.0
    measure: Measure = hint

    def __call__(self, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        student = model.student if isinstance(model, Projected) else model
        scores, own = outputs(student, x, tuple(self.pairs))
        training = self.teacher.training
        self.teacher.eval()
        with torch.no_grad():
            wanted, taught = outputs(self.teacher, x, tuple(self.pairs.values()))
        self.teacher.train(training)
        if isinstance(model, Projected):
            own = {path: model.project(path, feature) for path, feature in own.items()}
        loss = self.labels * nn.functional.cross_entropy(scores, y)
        loss = loss + self.logits * soft(scores, wanted, self.temperature)
        compared = [self.measure(own[s], taught[t], s, t) for s, t in self.pairs.items()]
        return loss + self.features * torch.stack(compared).mean() if compared else loss


def soft(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """T^2 times the mean Kullback-Leibler divergence of softmax(student / T) from softmax(teacher / T), in nats."""
    chances = nn.functional.log_softmax(student / temperature, dim=1)
    wanted = nn.functional.log_softmax(teacher / temperature, dim=1)
    divergence = nn.functional.kl_div(chances, wanted, reduction="batchmean", log_target=True)
    return temperature**2 * divergence
