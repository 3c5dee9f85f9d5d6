# SPDX-License-Identifier: Apache-2.0
"""Sparse attention."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType, most_tokens
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops import _softmax as softmax
from gatewright.ops._selector import LEVELS
from gatewright.ops.top_k_attention import TopKAttention


def spell(op: TopKAttention, folding: Folding, q: TensorType, k: TensorType, v: TensorType) -> Kernel:
    """PE heads per beat."""
    most, dim = most_tokens(q.tokens), q.channels // op.heads
    longest = min(op.top, most)
    shape = {
        "heads": op.heads,
        "dim": dim,
        "top": longest,
        "bits": op.bits,
        "levels": LEVELS[op.bits],
        "causal": int(op.causal),
        "most": most,
        "fraction": softmax.FRACTION,
        "limit": softmax.U_MAX,
        "exp_bits": softmax.EXP_BITS,
        "exp_step": softmax.FRACTION - softmax.EXP_SEGMENTS,
        "reciprocal_step": softmax.EXP_BITS - softmax.RECIPROCAL_SEGMENTS,
    }
    score, weighted = op.score(q, k).width, op.weighted(v, longest).width
    places = [softmax.EXP_BITS + e + op.shift for e in op.exponents(longest)]
    widths = {
        "score": score,
        "distance": wide("top_k_attention", score + 1 + op.scale.bit_length(), op.scale_shift),
        "weighted": weighted,
        "total": softmax.EXP_BITS + 1 + longest.bit_length(),
        "wide": wide("top_k_attention", weighted + softmax.EXP_BITS + 1, places),
    }
    (exp_base, exp_drop), (base, drop) = softmax.exp_table(), softmax.reciprocal_table()
    tables = {
        # An array of none is not legal C++.
        "q_thresholds": op.q_thresholds or (0,),
        "k_thresholds": op.k_thresholds or (0,),
        "scale": op.scale,
        "scale_shift": op.scale_shift,
        "shift": op.shift,
        "exp_base": exp_base,
        "exp_drop": exp_drop,
        "reciprocal_base": base,
        "reciprocal_drop": drop,
    }
    lanes = folding.pe * dim
    return Kernel("top_k_attention", shape, (lanes,) * 3, lanes, widths, {n: table(t) for n, t in tables.items()})
