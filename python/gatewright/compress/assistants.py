# SPDX-License-Identifier: Apache-2.0
"""Teacher assistants: networks of sizes between teacher and student, weighted so that together they err least.

After Ganta et al., ICBK 2021 (arXiv 2206.12005): the weights are found by differential evolution on validation data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from gatewright.compress.training import tensors
from gatewright.errors import DataError, MissingExtraError

Floats = npt.NDArray[np.float64]
LEAST = 1e-9
"""Sum of weights below which all count alike."""


class Ensemble(nn.Module):
    """The weighted sum of several networks' scores, sum_i w_i z_i: a teacher for `Distillation`.

    Args:
        members: trained networks with the same classes.
        weights: not negative, with sum 1; equal by default.

    Raises:
        DataError: the weights do not fit.
    """

    def __init__(self, members: Sequence[nn.Module], weights: Sequence[float] | None = None) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        chosen = [1 / len(members)] * len(members) if weights is None else list(weights)
        if len(chosen) != len(members) or min(chosen) < 0 or abs(sum(chosen) - 1) > 1e-6:
            raise DataError("ensemble", f"weights {chosen}", f"{len(members)} of 0 and up, with sum 1")
        self.register_buffer("weights", torch.tensor(chosen))
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = torch.stack([member(x) for member in self.members])
        return torch.einsum("m,m...->...", self.weights, scores)


def weigh(members: Sequence[nn.Module], x: object, y: object, seed: int = 0, rounds: int = 100) -> list[float]:
    """Weights on the simplex for which the weighted scores err least on held-out samples; ties by cross entropy.

    Every network is run once; then a generation is a few sums.

    Args:
        members: trained networks.
        x, y: samples that none was trained on, and labels.
        seed, rounds: of `scipy.optimize.differential_evolution`.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.optimize import differential_evolution
    except ImportError:
        raise MissingExtraError("scipy", "not installed", hint="pip install 'gatewright[schedule]'") from None
    inputs, labels = tensors(x, y, 1)
    with torch.no_grad():
        scores = torch.stack([member.eval()(inputs) for member in members]).double()

    def simplex(point: Floats) -> Floats:
        total = float(point.sum())
        return point / total if total > LEAST else np.full(len(point), 1 / len(point))

    def cost(point: Floats) -> float:
        mixed = torch.einsum("m,mnc->nc", torch.from_numpy(simplex(point)), scores)
        wrong = float((mixed.argmax(dim=1) != labels).double().mean())
        # Less than one sample's worth, so that it decides between equal errors only.
        return wrong + float(torch.tanh(nn.functional.cross_entropy(mixed, labels))) / (2 * len(labels))

    found = differential_evolution(cost, [(0.0, 1.0)] * len(members), seed=seed, maxiter=rounds, polish=False)
    return [float(w) for w in simplex(found.x)]
