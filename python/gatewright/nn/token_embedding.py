# SPDX-License-Identifier: Apache-2.0
"""Token and position embedding that stays one node in an exported graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


@torch.library.custom_op("gatewright::token_embedding", mutates_args=())
def token_embedding(ids: torch.Tensor, table: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """`table[ids] + positions[:n]`: ids [N, n] of int64 -> [N, n, D]."""
    return table[ids] + positions[: ids.shape[1]]


@token_embedding.register_fake
def _(ids: torch.Tensor, table: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return table.new_empty((*ids.shape, table.shape[1]))


def _save(ctx: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
    ids, table, positions = inputs
    ctx.save_for_backward(ids)
    ctx.rows = len(table), len(positions)


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    (ids,) = ctx.saved_tensors
    rows, most = ctx.rows
    table = grad.new_zeros(rows, grad.shape[-1]).index_add(0, ids.reshape(-1), grad.reshape(-1, grad.shape[-1]))
    positions = nn.functional.pad(grad.sum(0), (0, 0, 0, most - ids.shape[1]))
    return None, table, positions


token_embedding.register_autograd(_backward, setup_context=_save)


class TokenEmbedding(nn.Module):
    """A row of the token table plus the row of the position table.

    Args:
        vocabulary: rows of the token table.
        length: rows of the position table, the longest sequence.
        channels: D.
    """

    def __init__(self, vocabulary: int, length: int, channels: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.empty(vocabulary, channels).normal_(std=0.02))
        self.positions = nn.Parameter(torch.empty(length, channels).normal_(std=0.02))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """[N, n] int64 -> [N, n, D]."""
        return token_embedding(ids, self.table, self.positions)
