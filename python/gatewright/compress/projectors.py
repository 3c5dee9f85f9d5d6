# SPDX-License-Identifier: Apache-2.0
"""Linear maps from the student's features to the teacher's widths, there while it is taught and gone afterwards."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gatewright.compress.features import Pairs, outputs


class Projected(nn.Module):
    """A student with a projector for each pair whose widths differ: 1 x 1 convolutions, or linear layers on tokens.

    Train it instead of the student; its result is the student's, whose weights it shares.

    Args:
        student, teacher: models.
        pairs: module paths of the student to those of the teacher.
        x: inputs, one is enough: they show the widths.
    """

    def __init__(self, student: nn.Module, teacher: nn.Module, pairs: Pairs, x: torch.Tensor) -> None:
        super().__init__()
        self.student = student
        self.projectors = nn.ModuleDict()
        with torch.no_grad():
            own, taught = outputs(student, x, tuple(pairs))[1], outputs(teacher, x, tuple(pairs.values()))[1]
        for path, other in pairs.items():
            layer = _projector(own[path], taught[other])
            if layer is not None:
                self.projectors[_key(path)] = layer

    def forward(self, *inputs: Any) -> Any:
        return self.student(*inputs)

    def project(self, path: str, feature: torch.Tensor) -> torch.Tensor:
        """A feature of the student as wide as the teacher's."""
        key = _key(path)
        projected: torch.Tensor = self.projectors[key](feature) if key in self.projectors else feature
        return projected


def _projector(own: torch.Tensor, taught: torch.Tensor) -> nn.Module | None:
    if own.dim() == 4:
        width, wanted = own.shape[1], taught.shape[1]
        return None if width == wanted else nn.Conv2d(width, wanted, 1)
    width, wanted = own.shape[-1], taught.shape[-1]
    return None if width == wanted else nn.Linear(width, wanted)


def _key(path: str) -> str:
    """Names of modules have no dots."""
    return path.replace(".", "/")
