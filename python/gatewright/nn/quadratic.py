# SPDX-License-Identifier: Apache-2.0
"""Trainable quadratic activation that stays one node in an exported graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


@torch.library.custom_op("gatewright::quadratic", mutates_args=())
def quadratic(x: torch.Tensor, square: torch.Tensor, slope: torch.Tensor, constant: torch.Tensor) -> torch.Tensor:
    """`square * x**2 + slope * x + constant`; the coefficients broadcast against x."""
    return (square * x + slope) * x + constant


@quadratic.register_fake
def _(x: torch.Tensor, square: torch.Tensor, slope: torch.Tensor, constant: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


def _save(ctx: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, ...]:
    x, square, slope, constant = ctx.saved_tensors
    return (
        grad * (2 * square * x + slope),
        (grad * x * x).sum_to_size(square.shape),
        (grad * x).sum_to_size(slope.shape),
        grad.sum_to_size(constant.shape),
    )


quadratic.register_autograd(_backward, setup_context=_save)


class Quadratic(nn.Module):
    """`a x**2 + b x + c` with trainable coefficients.

    Args:
        channels: one polynomial per channel; None for one polynomial.
        dim: the channel dimension of the input, 1 for [N, C, ...], -1 for [N, L, C].
        square, slope, constant: initial coefficients; the default starts close to the identity.
    """

    def __init__(
        self,
        channels: int | None = None,
        dim: int = 1,
        square: float = 0.1,
        slope: float = 1.0,
        constant: float = 0.0,
    ) -> None:
        super().__init__()
        size = () if channels is None else (channels,)
        self.dim = dim
        self.square = nn.Parameter(torch.full(size, square))
        self.slope = nn.Parameter(torch.full(size, slope))
        self.constant = nn.Parameter(torch.full(size, constant))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape of `x`, any rank of at least 2."""
        after = 0 if self.square.ndim == 0 else x.ndim - 1 - self.dim % x.ndim
        form = (-1,) + (1,) * after if self.square.ndim else ()
        return quadratic(x, *(c.reshape(form) for c in self.coefficients()))

    def coefficients(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """a, b and c: scalars, or one value per channel."""
        return self.square, self.slope, self.constant
