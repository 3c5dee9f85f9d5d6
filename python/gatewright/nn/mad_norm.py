# SPDX-License-Identifier: Apache-2.0
"""Normalisation by the mean absolute deviation, which stays one node in an exported graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gatewright.errors import DataError


@torch.library.custom_op("gatewright::mad_norm", mutates_args=())
def mad_norm(
    x: torch.Tensor, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None, eps: float = 1e-5
) -> torch.Tensor:
    """`weight * (x - mean) / (mean|x - mean| + eps) + bias` over the last dimension; nothing by nothing counts as 0."""
    y, _ = _quotient(x, eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _quotient(x: torch.Tensor, eps: float) -> tuple[torch.Tensor, torch.Tensor]:
    """The normalised values, and 1 / (mean|x - mean| + eps)."""
    centre = x - x.mean(-1, keepdim=True)
    deviation = centre.abs().mean(-1, keepdim=True) + eps
    inverse = torch.where(deviation > 0, 1 / deviation, 0)
    return centre * inverse, inverse


@mad_norm.register_fake
def _(
    x: torch.Tensor, weight: torch.Tensor | None = None, bias: torch.Tensor | None = None, eps: float = 1e-5
) -> torch.Tensor:
    return torch.empty_like(x)


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    x, weight, bias, ctx.eps = inputs
    ctx.has_bias = bias is not None
    ctx.save_for_backward(x, weight)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    x, weight = ctx.saved_tensors
    y, inverse = _quotient(x, ctx.eps)
    channels = tuple(range(x.ndim - 1))
    scaled = grad if weight is None else grad * weight
    # d deviation / d centre = sign(centre) / C.
    centre = (scaled - y.sign() * (scaled * y).mean(-1, keepdim=True)) * inverse
    return (
        centre - centre.mean(-1, keepdim=True),
        None if weight is None else (grad * y).sum(channels),
        grad.sum(channels) if ctx.has_bias else None,
        None,
    )


mad_norm.register_autograd(_backward, setup_context=_save)


class MadNorm(nn.Module):
    """Layer normalisation without a square and a root: `y = weight * (x - mean) / (mean|x - mean| + eps) + bias`.

    Mean and mean absolute deviation are those of the last dimension. For normally distributed features the quotient is
    1.25 times that of `torch.nn.LayerNorm`. Sari, Courville, Partovi Nia, "iRNN" (ICPRAM 2022).

    Args:
        normalized_shape: size of the last dimension, 1 and up.
        eps: added to the mean absolute deviation, 0 and up. Where both are 0, y is the bias.
        elementwise_affine: whether there are weight and bias, which start as 1 and 0.

    Raises:
        DataError: an argument or the input's last dimension is not as said.
    """

    def __init__(self, normalized_shape: int, eps: float = 1e-5, elementwise_affine: bool = True) -> None:
        super().__init__()
        if not isinstance(normalized_shape, int) or normalized_shape < 1:
            raise DataError("MadNorm.normalized_shape", f"{normalized_shape!r}", "the size of the last dimension")
        if not eps >= 0:
            raise DataError("MadNorm.eps", f"{eps!r}", "0 and up")
        self.normalized_shape, self.eps = normalized_shape, float(eps)
        self.weight = nn.Parameter(torch.ones(normalized_shape)) if elementwise_affine else None
        self.bias = nn.Parameter(torch.zeros(normalized_shape)) if elementwise_affine else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[..., normalized_shape] -> the same shape."""
        if x.shape[-1] != self.normalized_shape:
            raise DataError("MadNorm", f"{x.shape[-1]} features", f"{self.normalized_shape}")
        return mad_norm(x, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.weight is not None}"
