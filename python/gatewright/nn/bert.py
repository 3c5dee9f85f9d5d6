# SPDX-License-Identifier: Apache-2.0
"""BERT's encoder for sentence embeddings: token ids in, the mean of the token vectors out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from gatewright.errors import DataError
from gatewright.nn.token_embedding import TokenEmbedding
from gatewright.nn.topk_attention import TopKAttention
from gatewright.progress import track


class EncoderBlock(nn.Module):
    """One post-norm layer: attention, add, norm, then two linear layers with an exact GELU between, add, norm.

    Args:
        channels, inner: D and the width between the two linear layers.
        heads, top, bits: see `TopKAttention`.
        eps: of the norms.
    """

    def __init__(self, channels: int, inner: int, heads: int, eps: float, top: int | None, bits: int) -> None:
        super().__init__()
        self.attention = TopKAttention(channels, heads, top, bits)
        self.norm1 = nn.LayerNorm(channels, eps)
        self.expand = nn.Linear(channels, inner)
        self.activation = nn.GELU()
        self.contract = nn.Linear(inner, channels)
        self.norm2 = nn.LayerNorm(channels, eps)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """[N, n, D] of which the first `lengths` tokens of each item count."""
        x = self.norm1(x + self.attention(x, lengths=lengths)[0])
        return self.norm2(x + self.contract(self.activation(self.expand(x))))


class BertEncoder(nn.Module):
    """Ids [N, n] -> mean over the tokens [N, D] of the last layer; the token type is 0 throughout.

    Args:
        vocabulary, positions: rows of the two embedding tables.
        channels, inner, layers, heads, eps, top, bits: see `EncoderBlock`.
    """

    def __init__(
        self,
        vocabulary: int,
        positions: int,
        channels: int,
        inner: int,
        layers: int,
        heads: int,
        eps: float = 1e-12,
        top: int | None = 30,
        bits: int = 4,
    ) -> None:
        super().__init__()
        self.embed = TokenEmbedding(vocabulary, positions, channels)
        self.norm = nn.LayerNorm(channels, eps)
        blocks = (EncoderBlock(channels, inner, heads, eps, top, bits) for _ in range(layers))
        self.layer = nn.ModuleList(blocks)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor | None = None) -> torch.Tensor:
        """Mean vector [N, D]; with `lengths` [N], of the first so many tokens of each row of `ids`."""
        x = self.norm(self.embed(ids))
        for block in self.layer:
            x = block(x, lengths)
        if lengths is None:
            return x.mean(1)
        valid = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        return (x * valid[..., None]).sum(1) / lengths[:, None]

    def select(self, top: int | None, bits: int) -> None:
        """Another k and selector width for all layers; forgets calibrated thresholds."""
        for block in self.layer:
            block.attention.select(top, bits)

    def keep(self, top: int | None) -> None:
        """Another k for all layers."""
        for block in self.layer:
            block.attention.top = top

    def batches(self, items: Sequence[Sequence[int]], tokens: int = 2048) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Ids and lengths of similar-length items, about `tokens` tokens per batch; padding is id 0.

        Raises:
            DataError: an item is empty, too long, or has an id outside the vocabulary.
        """
        rows, most = self.embed.table.shape[0], self.embed.positions.shape[0]
        for k, item in enumerate(items):
            if not 1 <= len(item) <= most:
                raise DataError(f"item {k}", f"{len(item)} tokens", f"1 to {most}")
            if not 0 <= min(item) <= max(item) < rows:
                raise DataError(f"item {k}", f"id {min(item) if min(item) < 0 else max(item)}", f"0 to {rows - 1}")
        found = []
        for chosen in self._order(items, tokens):
            lengths = torch.tensor([len(items[i]) for i in chosen])
            ids = torch.zeros(len(chosen), int(lengths.max()), dtype=torch.long)
            for row, i in enumerate(chosen):
                ids[row, : len(items[i])] = torch.tensor(items[i])
            found.append((ids, lengths))
        return found

    def vectors(self, items: Sequence[Sequence[int]], tokens: int = 2048) -> torch.Tensor:
        """Embeddings [N, D] of length 1, in the order of the items; runs in batches of similar length."""
        result = torch.empty(len(items), self.norm.normalized_shape[0])
        order = self._order(items, tokens)
        with torch.no_grad():
            for chosen, batch in zip(track(order, "embeddings"), self.batches(items, tokens), strict=True):
                result[chosen] = nn.functional.normalize(self(*batch), dim=1)
        return result

    @staticmethod
    def _order(items: Sequence[Sequence[int]], tokens: int) -> list[list[int]]:
        """Indices of the items per batch, by length."""
        groups: list[list[int]] = []
        for i in sorted(range(len(items)), key=lambda i: len(items[i])):
            if not groups or (len(groups[-1]) + 1) * len(items[i]) > tokens:
                groups.append([])
            groups[-1].append(i)
        return groups
