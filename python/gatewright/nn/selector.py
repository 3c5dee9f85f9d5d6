# SPDX-License-Identifier: Apache-2.0
"""Which keys a query looks at: the k best by low-bit scores, the lowest index first among equals.

The codes follow Peng et al., DAC 2022, section 3.2 (4-bit symmetric) and its one- to three-bit relatives.
"""

from __future__ import annotations

import torch

LEVELS = {1: 0, 2: 1, 3: 3, 4: 7}
"""Selector bits -> number of thresholds on |x|."""

GREATEST = {1: 1, 2: 3, 3: 3, 4: 7}
"""Selector bits -> largest code."""

EXACT = {torch.float32: 1 << 24, torch.float64: 1 << 53}
"""Integers below this are exact in the type."""


def code(x: torch.Tensor, thresholds: torch.Tensor, bits: int) -> torch.Tensor:
    """Selector code of every element, a small integer held in the type of `x`.

    With s = -1 where x < 0, else 1, and c = the number of thresholds t <= |x|: one bit is s, two bits are
    s (1 + 2c), three and four bits are s c.

    Args:
        x: any shape.
        thresholds: [LEVELS[bits]] rising.
        bits: 1 to 4.
    """
    sign = torch.where(x < 0, -1.0, 1.0).to(x.dtype)
    if bits == 1:
        return sign
    count = torch.bucketize(x.abs(), thresholds, right=True).to(x.dtype)
    return sign * (1 + 2 * count) if bits == 2 else sign * count


def split(x: torch.Tensor, heads: int) -> torch.Tensor:
    """[N, n, heads * d] -> [N, heads, n, d]; channels are head-major."""
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def join(x: torch.Tensor) -> torch.Tensor:
    """Inverse of `split`."""
    return x.transpose(-3, -2).flatten(-2)


def visible(
    queries: int, keys: int, causal: bool, allowed: torch.Tensor | None, like: torch.Tensor
) -> torch.Tensor | None:
    """Boolean mask that broadcasts to [N, heads, queries, keys]; None when every query sees every key."""
    if not causal:
        return allowed
    past = torch.ones(queries, keys, dtype=torch.bool, device=like.device).tril()
    return past if allowed is None else past & allowed


def select(
    q: torch.Tensor,
    k: torch.Tensor,
    q_thresholds: torch.Tensor,
    k_thresholds: torch.Tensor,
    heads: int,
    top: int | None,
    bits: int,
    causal: bool = False,
    allowed: torch.Tensor | None = None,
) -> torch.Tensor | None:
    """The chosen keys of every query; a constant as far as gradients are concerned.

    Args:
        q: [N, m, D].
        k: [N, n, D].
        top: keys per query; None for all. Fewer allowed keys are all taken.
        allowed: booleans that broadcast to [N, heads, m, n].

    Returns:
        booleans that broadcast to [N, heads, m, n], or None for all.
    """
    count = k.shape[-2]
    seen = visible(q.shape[-2], count, causal, allowed, q)
    if top is None or top >= count:
        return seen
    codes = (code(x.detach(), t.to(x.dtype), bits) for x, t in ((q, q_thresholds), (k, k_thresholds)))
    a, b = (split(c, heads) for c in codes)
    # score * n - index orders by score, then by the lowest index, and no two keys are equal.
    peak = (a.shape[-1] * GREATEST[bits] ** 2 + 1) * count
    kind = torch.float32 if peak < EXACT[torch.float32] else torch.float64
    key = (a.to(kind) @ b.to(kind).transpose(-2, -1)) * count - torch.arange(count, device=q.device)
    if seen is not None:
        key = key.masked_fill(~seen, -torch.inf)
    last = key.topk(top, dim=-1, sorted=False).values.amin(-1, keepdim=True)
    chosen = key >= last
    return chosen if seen is None else chosen & seen


def thresholds(sample: torch.Tensor, peak: float, mean: float, bits: int, method: str) -> torch.Tensor:
    """Thresholds on |x| for data like `sample`.

    Three and four bits round to the nearest of the levels -L..L times a step: the step that maps the largest
    value to L ("absmax"), or the one of least squared error on the sample ("mse"). Two bits split at the mean.

    Args:
        sample: values, any shape.
        peak, mean: largest and mean |x| of all data.
    """
    if LEVELS[bits] == 0:
        return sample.new_empty(0)
    if LEVELS[bits] == 1:
        return sample.new_tensor([mean])
    top = LEVELS[bits]
    step = peak / top or 1.0
    if method == "mse" and peak > 0:
        size = sample.abs().flatten().double()
        options = [step * 0.97**i for i in range(120)]
        errors = [float(((size / s).round().clamp(max=top) * s - size).square().mean()) for s in options]
        step = options[errors.index(min(errors))]
    return (torch.arange(1, top + 1, dtype=sample.dtype, device=sample.device) - 0.5) * step
