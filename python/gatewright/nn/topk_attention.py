# SPDX-License-Identifier: Apache-2.0
"""Attention over the k best keys of every query, one node in an exported graph (Peng et al., DAC 2022)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gatewright.errors import DataError, UnsupportedError
from gatewright.nn.selector import LEVELS, join, select, split

Observer = Callable[["TopKAttention", torch.Tensor, torch.Tensor], None]


def probabilities(q: torch.Tensor, k: torch.Tensor, heads: int, chosen: torch.Tensor | None) -> torch.Tensor:
    """Softmax of the exact scores over the chosen keys, [N, heads, m, n]; a row without a key is 0."""
    a, b = split(q, heads), split(k, heads)
    scores = (a * a.shape[-1] ** -0.5) @ b.transpose(-2, -1)
    if chosen is not None:
        scores = scores.masked_fill(~chosen, -torch.inf)
    # Softmax does not change with a common offset, so the maximum needs no gradient; clamped, it is finite
    # where no key is chosen.
    peak = scores.detach().amax(-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).min)
    powers = torch.exp(scores - peak)
    # The largest term is 1, so only an empty row is clamped.
    return powers / powers.sum(-1, keepdim=True).clamp(min=1.0)


@torch.library.custom_op("gatewright::topk_attention", mutates_args=())
def topk_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    q_thresholds: torch.Tensor,
    k_thresholds: torch.Tensor,
    heads: int,
    top: int,
    bits: int,
    causal: bool,
) -> torch.Tensor:
    """Multi-head attention [N, m, D] of queries [N, m, D] over the `top` best keys [N, n, D].

    See `gatewright.nn.selector` for how keys are chosen. Selection is a constant mask to gradients, which flow
    through exact scores, softmax and values.
    """
    chosen = select(q, k, q_thresholds, k_thresholds, heads, top, bits, causal)
    return join(probabilities(q, k, heads, chosen) @ split(v, heads)).contiguous()


@topk_attention.register_fake
def _(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *_: Any) -> torch.Tensor:
    return q.new_empty(q.shape)


def _save(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
    ctx.save_for_backward(*inputs[:5])
    ctx.options = inputs[5:]


def _backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
    q, k, v, q_thresholds, k_thresholds = ctx.saved_tensors
    heads, top, bits, causal = ctx.options
    weight = probabilities(q, k, heads, select(q, k, q_thresholds, k_thresholds, heads, top, bits, causal))
    dy, a, b, c = (split(x, heads) for x in (grad, q, k, v))
    dp = dy @ c.transpose(-2, -1)
    ds = weight * (dp - (weight * dp).sum(-1, keepdim=True)) * a.shape[-1] ** -0.5
    parts = (ds @ b, ds.transpose(-2, -1) @ a, weight.transpose(-2, -1) @ dy)
    return (*(join(p) for p in parts), None, None, None, None, None, None)


topk_attention.register_autograd(_backward, setup_context=_save)


class TopKAttention(nn.Module):
    """Drop-in for `nn.MultiheadAttention` whose queries look at their `top` best keys only.

    Args:
        embed_dim: channels D.
        heads: divides `embed_dim`.
        top: keys per query; None for all, which is dense attention.
        bits: of the selector, 1 to 4.
        causal: query i sees keys 0..i.
        bias: of the projections.
        batch_first: [N, n, D] rather than [n, N, D].
        dropout: on the attention probabilities, in training.
        project: end with the output projection.

    Raises:
        UnsupportedError: an argument is out of range.

    The thresholds start out for data of unit variance; `gatewright.nn.calibrate_selector` sets them.
    """

    # What nn.TransformerEncoderLayer asks its attention before it would take a fused dense path.
    _qkv_same_embed_dim = False
    in_proj_weight = None
    in_proj_bias = None

    def __init__(
        self,
        embed_dim: int,
        heads: int,
        top: int | None = 30,
        bits: int = 4,
        causal: bool = False,
        bias: bool = True,
        batch_first: bool = True,
        dropout: float = 0.0,
        project: bool = True,
    ) -> None:
        super().__init__()
        if heads < 1 or embed_dim % heads:
            raise UnsupportedError("TopKAttention", f"heads = {heads} for embed_dim = {embed_dim}", "a divisor")
        self.embed_dim, self.num_heads = embed_dim, heads
        self.causal, self.batch_first, self.dropout = causal, batch_first, dropout
        self.query, self.key, self.value = (nn.Linear(embed_dim, embed_dim, bias) for _ in range(3))
        self.output = nn.Linear(embed_dim, embed_dim, bias) if project else None
        self.observer: Observer | None = None
        self.select(top, bits)

    def select(self, top: int | None, bits: int) -> None:
        """Choose another k and selector width; forgets calibrated thresholds."""
        if top is not None and top < 1:
            raise UnsupportedError("TopKAttention", f"top = {top}", "1 or more, or None for dense attention")
        if bits not in LEVELS:
            raise UnsupportedError("TopKAttention", f"bits = {bits}", "1, 2, 3 or 4")
        self.top, self.bits = top, bits
        # Steps of least squared error for the unit normal distribution; its mean |x| for two bits.
        step = {3: 0.646, 4: 0.353}.get(bits, 0.0)
        start = [0.798] if bits == 2 else [(i + 0.5) * step for i in range(LEVELS[bits])]
        weight = self.query.weight
        for name in ("q_thresholds", "k_thresholds"):
            self.register_buffer(name, torch.tensor(start, dtype=weight.dtype, device=weight.device))

    def extra_repr(self) -> str:
        """What `repr` shows."""
        return f"{self.embed_dim}, heads={self.num_heads}, top={self.top}, bits={self.bits}, causal={self.causal}"

    def forward(
        self,
        query: torch.Tensor,
        key: torch.Tensor | None = None,
        value: torch.Tensor | None = None,
        key_padding_mask: torch.Tensor | None = None,
        need_weights: bool = False,
        attn_mask: torch.Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
        lengths: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, None]:
        """Attention of `query` over `key` and `value`, which default to `query`.

        Args:
            query, key, value: [N, n, D], or [n, D] for one item; [n, N, D] without `batch_first`.
            key_padding_mask: [N, n], true (or -inf) at keys that nobody sees.
            need_weights: not supported.
            attn_mask: [m, n] or [N * heads, m, n], true (or -inf) where a query does not see a key.
            average_attn_weights: without effect.
            is_causal: as if built with `causal`.
            lengths: [N] valid keys of every item, in place of `key_padding_mask`.

        Returns:
            the result in the layout of `query`, and None for the weights.
        """
        if need_weights:
            raise UnsupportedError("TopKAttention", "need_weights = True", "need_weights = False")
        key, value = query if key is None else key, query if value is None else value
        flip = not self.batch_first and query.ndim == 3
        x, y, z = (t.transpose(0, 1) if flip else t if t.ndim == 3 else t[None] for t in (query, key, value))
        if lengths is not None:
            key_padding_mask = torch.arange(y.shape[1], device=query.device) >= lengths[:, None]
        allowed = _allowed(key_padding_mask, attn_mask, self.num_heads)
        y = self.attend(x, y, z, allowed, self.causal or is_causal)
        y = y if query.ndim == 3 else y[0]
        return y.transpose(0, 1) if flip else y, None

    def attend(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        allowed: torch.Tensor | None = None,
        causal: bool = False,
    ) -> torch.Tensor:
        """Projections and attention; `allowed` broadcasts to [N, heads, m, n]."""
        q, k, v = self.query(query), self.key(key), self.value(value)
        if self.observer is not None:
            seen = _seen(allowed, k)
            self.observer(self, q[seen] if q.shape == k.shape else q, k[seen])
        limits, heads = (self.q_thresholds, self.k_thresholds), self.num_heads
        dropping = self.training and self.dropout > 0
        if allowed is None and not dropping and self.top is not None:
            y = topk_attention(q, k, v, *limits, heads, self.top, self.bits, causal)
        else:
            weight = probabilities(q, k, heads, select(q, k, *limits, heads, self.top, self.bits, causal, allowed))
            y = join(nn.functional.dropout(weight, self.dropout, dropping) @ split(v, heads))
        return y if self.output is None else self.output(y)


def _seen(allowed: torch.Tensor | None, k: torch.Tensor) -> torch.Tensor:
    """[N, n] keys that some query sees."""
    if allowed is None:
        return torch.ones(k.shape[:2], dtype=torch.bool, device=k.device)
    full = allowed[(None,) * (4 - allowed.ndim)]
    return full.any(-2).any(-2).expand(k.shape[:2])


def _allowed(padding: torch.Tensor | None, mask: torch.Tensor | None, heads: int) -> torch.Tensor | None:
    """Both masks of `nn.MultiheadAttention` as one, true at what is seen."""
    found = None
    if padding is not None:
        found = ~_hidden("key_padding_mask", padding)
        found = found[..., None, None, :] if found.ndim == 2 else found[None, None, None, :]
    if mask is not None:
        seen = ~_hidden("attn_mask", mask)
        seen = seen.unflatten(0, (-1, heads)) if seen.ndim == 3 else seen
        found = seen if found is None else found & seen
    return found


def _hidden(name: str, mask: torch.Tensor) -> torch.Tensor:
    """A mask as booleans: true, or -inf, hides."""
    if mask.dtype == torch.bool:
        return mask
    hidden = mask == -torch.inf
    if not bool((hidden | (mask == 0)).all()):
        raise DataError(name, "values other than 0 and -inf", "booleans, or 0 and -inf")
    return hidden
