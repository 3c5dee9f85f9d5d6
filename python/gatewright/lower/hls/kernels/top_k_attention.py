# SPDX-License-Identifier: Apache-2.0
"""Sparse attention."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType, most_tokens
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.lower.hls.kernels._softmax import FORMAT, chords
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
        **FORMAT,
    }
    score, weighted = op.score(q, k).width, softmax.weighted(v.fixed, longest).width
    places = [softmax.EXP_BITS + e + op.shift for e in softmax.exponents(longest)]
    widths = {
        "score": score,
        "distance": wide("top_k_attention", score + 1 + op.scale.bit_length(), op.scale_shift),
        "weighted": weighted,
        "total": softmax.EXP_BITS + 1 + longest.bit_length(),
        "wide": wide("top_k_attention", weighted + softmax.EXP_BITS + 1, places),
    }
    tables = {
        # An array of none is not legal C++.
        "q_thresholds": op.q_thresholds or (0,),
        "k_thresholds": op.k_thresholds or (0,),
        "scale": op.scale,
        "scale_shift": op.scale_shift,
        "shift": op.shift,
        **chords(),
    }
    lanes = folding.pe * dim
    return Kernel("top_k_attention", shape, (lanes,) * 3, lanes, widths, {n: table(t) for n, t in tables.items()})
