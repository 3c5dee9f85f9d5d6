# SPDX-License-Identifier: Apache-2.0
"""What a feature of the teacher can say to one of the student: each measure is zero where nothing is left to learn.

A measure takes both features, batch first, and where they come from; features are [N, channels], [N, channels, H, W] or
[N, tokens, channels]. Names and definitions follow the survey of Lu et al. (arXiv 2206.14366).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from gatewright.errors import UnsupportedError

Measure = Callable[[torch.Tensor, torch.Tensor, str, str], torch.Tensor]
"""Student's and teacher's feature, and their module paths, to a scalar."""


def hint(student: torch.Tensor, teacher: torch.Tensor, path: str, other: str) -> torch.Tensor:
    """Mean squared difference, relative to the teacher's mean square (hints: Romero et al., arXiv 1412.6550).

    Raises:
        UnsupportedError: the shapes differ.
    """
    _expect(student.shape[1:] == teacher.shape[1:], student, teacher, path, other, "features of equal shape")
    # A feature that is zero throughout has nothing to teach.
    return (student - teacher).square().mean() / teacher.square().mean().clamp_min(1e-12)


def cosine(student: torch.Tensor, teacher: torch.Tensor, path: str, other: str) -> torch.Tensor:
    """One minus the mean cosine of a sample's two features.

    Raises:
        UnsupportedError: the shapes differ.
    """
    _expect(student.shape[1:] == teacher.shape[1:], student, teacher, path, other, "features of equal shape")
    return 1 - nn.functional.cosine_similarity(student.flatten(1), teacher.flatten(1)).mean()


def gram(student: torch.Tensor, teacher: torch.Tensor, path: str, other: str) -> torch.Tensor:
    """Which samples of a batch are alike: N times the mean squared difference of the Gram matrices of samples.

    Rows have norm one; widths may differ (similarity-preserving distillation: Tung and Mori, ICCV 2019).
    """

    def alike(feature: torch.Tensor) -> torch.Tensor:
        flat = feature.flatten(1)
        return nn.functional.normalize(flat @ flat.T, dim=1)

    return len(student) * (alike(student) - alike(teacher)).square().mean()


def attention(student: torch.Tensor, teacher: torch.Tensor, path: str, other: str) -> torch.Tensor:
    """Where the energy of a feature lies: mean squared difference of its maps of norm one, times their places.

    The map is the sum of squares over channels (Zagoruyko and Komodakis, arXiv 1612.03928); widths may differ.

    Raises:
        UnsupportedError: the places differ, or there are none.
    """
    own, taught = (tokens(f).square().sum(dim=2) for f in (student, teacher))
    places = student.dim() > 2 and own.shape == taught.shape
    _expect(places, student, teacher, path, other, "features over the same places")
    own, taught = (nn.functional.normalize(m, dim=1) for m in (own, taught))
    return own.shape[1] * (own - taught).square().mean()


def relation(student: torch.Tensor, teacher: torch.Tensor, path: str, other: str) -> torch.Tensor:
    """Which places are alike: mean Kullback-Leibler divergence of softmax(V V^T / sqrt(d)) from the teacher's, in nats.

    With values, queries or keys of attention it is the relation of MiniLM v2 (arXiv 2012.15828); widths may differ.

    Raises:
        UnsupportedError: the places differ, or there are none.
    """
    own, taught = tokens(student), tokens(teacher)
    places = student.dim() > 2 and own.shape[1] == taught.shape[1]
    _expect(places, student, teacher, path, other, "features over the same places")

    def chances(values: torch.Tensor) -> torch.Tensor:
        return nn.functional.log_softmax(values @ values.transpose(1, 2) / values.shape[2] ** 0.5, dim=2)

    divergence = nn.functional.kl_div(chances(own), chances(taught), reduction="sum", log_target=True)
    return divergence / (own.shape[0] * own.shape[1])


def tokens(feature: torch.Tensor) -> torch.Tensor:
    """A feature as [N, places, channels]; a plain vector has one place."""
    return feature.unsqueeze(1) if feature.dim() == 2 else feature if feature.dim() == 3 else feature.flatten(2).mT


def _expect(fits: bool, student: torch.Tensor, teacher: torch.Tensor, path: str, other: str, allowed: str) -> None:
    if not fits:
        shapes = f"{list(student.shape[1:])} against the teacher's {list(teacher.shape[1:])} at {other}"
        raise UnsupportedError(path, shapes, allowed)
