# SPDX-License-Identifier: Apache-2.0
"""Softmax pooling."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType, most_tokens
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.lower.hls.kernels._softmax import FORMAT, chords
from gatewright.ops import _softmax as softmax
from gatewright.ops.softmax_pool import SoftmaxPool


def spell(op: SoftmaxPool, folding: Folding, scores: TensorType, values: TensorType) -> Kernel:
    """Lanes of values per beat, with the scores of their heads."""
    most, dim, engines = most_tokens(scores.tokens), values.channels // op.heads, op.engines(folding, values)
    score, weighted = scores.fixed.width + 1, softmax.weighted(values.fixed, most).width
    places = [softmax.EXP_BITS + e + op.shift for e in softmax.exponents(most)]
    widths = {
        "score": score,
        "distance": wide("softmax_pool", score + op.scale.bit_length(), op.scale_shift),
        "weighted": weighted,
        "total": softmax.EXP_BITS + 1 + most.bit_length(),
        "wide": wide("softmax_pool", weighted + softmax.EXP_BITS + 1, places),
    }
    tables = {"scale": op.scale, "scale_shift": op.scale_shift, "shift": op.shift, **chords()}
    shape = {"heads": op.heads, "dim": dim, "most": most, **FORMAT}
    lanes = folding.lanes
    return Kernel("softmax_pool", shape, (engines, lanes), lanes, widths, {n: table(t) for n, t in tables.items()})
