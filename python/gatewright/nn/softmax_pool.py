# SPDX-License-Identifier: Apache-2.0
"""Softmax pooling, one node in an exported graph, and additive attention with a learned query, which ends in it."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from gatewright.errors import DataError, UnsupportedError


@torch.library.custom_op("gatewright::softmax_pool", mutates_args=())
def softmax_pool(scores: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """[N, F]: per head the mean of the values [N, n, F], weighted by the softmax of the scores [N, n, heads] over n."""
    return (_weights(scores).unsqueeze(-1) * _by_head(scores, values)).sum(1).flatten(1)


@softmax_pool.register_fake
def _(scores: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    return values.new_empty((values.shape[0], values.shape[2]))


def _weights(scores: torch.Tensor) -> torch.Tensor:
    return torch.softmax(scores, dim=1)


def _by_head(scores: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """[N, n, heads, channels of a head]."""
    return values.unflatten(2, (scores.shape[2], -1))


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    scores, values = ctx.saved_tensors
    weight, dy = _weights(scores), grad.unflatten(1, (scores.shape[2], -1)).unsqueeze(1)
    dp = (dy * _by_head(scores, values)).sum(-1)
    return weight * (dp - (weight * dp).sum(1, keepdim=True)), (weight.unsqueeze(-1) * dy).flatten(2)


softmax_pool.register_autograd(_backward, setup_context=_save)


class SoftmaxPool(nn.Module):
    """Mean of a sequence's values, weighted per head by the softmax of its scores: one vector per sequence."""

    def forward(self, scores: torch.Tensor, values: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """[N, F] of `scores` [N, n, heads] and `values` [N, n, F], which are head-major.

        Args:
            lengths: [N] tokens that count, from 1 to n; by default all.

        Raises:
            DataError: the shapes do not fit, or a length is out of range.
        """
        if scores.ndim != 3 or values.ndim != 3 or scores.shape[:2] != values.shape[:2]:
            raise DataError(
                "SoftmaxPool", f"{list(scores.shape)} and {list(values.shape)}", "[N, n, heads] and [N, n, F]"
            )
        if values.shape[2] % scores.shape[2]:
            raise DataError("SoftmaxPool", f"{scores.shape[2]} heads on {values.shape[2]} channels", "a divisor")
        if lengths is not None:
            tokens = scores.shape[1]
            if lengths.shape != scores.shape[:1] or bool(((lengths < 1) | (lengths > tokens)).any()):
                raise DataError("SoftmaxPool.lengths", f"{lengths.tolist()}", f"[{len(scores)}] from 1 to {tokens}")
            padding = torch.arange(tokens, device=scores.device) >= lengths.to(scores.device)[:, None]
            scores = scores.masked_fill(padding[..., None], -torch.inf)
        return softmax_pool(scores, values)


class AdditiveAttention(nn.Module):
    """Pooling of h_t with the weights softmax(v . tanh(W h_t + b)) over a sequence.

    The score of Bahdanau et al. (ICLR 2015, arXiv 1409.0473), where W also takes the decoder's state; without one, v is
    a learned query (word attention of Yang et al., NAACL 2016). A bias behind v would change no weight.

    Args:
        features: channels of h.
        hidden: rows of W.
        heads: scores per token, each for its own share of the channels; divides `features`.

    Raises:
        UnsupportedError: an argument is out of range.
    """

    def __init__(self, features: int, hidden: int, heads: int = 1) -> None:
        super().__init__()
        if heads < 1 or features % heads:
            raise UnsupportedError("AdditiveAttention", f"heads = {heads} for {features} features", "a divisor")
        if hidden < 1:
            raise UnsupportedError("AdditiveAttention", f"hidden = {hidden}", "1 or more")
        self.project = nn.Linear(features, hidden)
        self.activation = nn.Tanh()
        self.query = nn.Linear(hidden, heads, bias=False)
        self.pool = SoftmaxPool()

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """[N, n, features] to [N, features]; `lengths` as in `SoftmaxPool`."""
        return self.pool(self.query(self.activation(self.project(x))), x, lengths)
