# SPDX-License-Identifier: Apache-2.0
"""Ensembles of assistants: their scores, and weights that err least."""

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress.assistants import Ensemble, weigh
from gatewright.errors import DataError


class Fixed(nn.Module):
    """Scores that are looked up by the sample's number."""

    def __init__(self, scores: torch.Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores[x[:, 0].long()]


def test_scores_are_the_weighted_sum() -> None:
    one, two = torch.rand(2, 5, 3)
    x = torch.arange(5.0)[:, None]
    assert torch.allclose(Ensemble([Fixed(one), Fixed(two)], [0.25, 0.75])(x), 0.25 * one + 0.75 * two)
    assert torch.allclose(Ensemble([Fixed(one), Fixed(two)])(x), (one + two) / 2)
    with pytest.raises(DataError, match="with sum 1"):
        Ensemble([Fixed(one), Fixed(two)], [1.0, 1.0])


def test_the_weights_err_least() -> None:
    """One network knows, one is confused in half of the samples, one is loud and wrong."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 200)
    truth = np.eye(4)[labels]
    loud = np.eye(4)[(labels + 1) % 4]
    half = np.where(rng.random(200)[:, None] < 0.5, truth, 0)
    members = [Fixed(torch.from_numpy(s).float()) for s in (truth, half, 5 * loud)]
    x = np.arange(200.0)[:, None]
    found = weigh(members, x, labels, rounds=30)
    assert sum(found) == pytest.approx(1) and found[2] < 0.2 and found == weigh(members, x, labels, rounds=30)

    def errors(ensemble: Ensemble) -> int:
        return int((ensemble(torch.from_numpy(x)).argmax(dim=1).numpy() != labels).sum())

    assert errors(Ensemble(members, found)) == 0 < errors(Ensemble(members))
