# SPDX-License-Identifier: Apache-2.0
"""Maximum or mean over a sequence."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType, least_tokens, most_tokens
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops._reciprocal import fraction_bits, reciprocal
from gatewright.ops.global_pool import GlobalPool, Kind


def spell(op: GlobalPool, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle; a reciprocal for every possible length."""
    average, fewest = op.kind is Kind.AVERAGE, least_tokens(x.tokens)
    fraction = fraction_bits(op.most)
    factors = [reciprocal(n, fraction) for n in range(fewest, most_tokens(x.tokens) + 1)] if average else [1]
    bits = x.fixed.width + 1
    bits += most_tokens(x.tokens).bit_length() + max(factors).bit_length() if average else 0
    shift = fraction + op.shift if average else 0
    return Kernel(
        "global_pool",
        {"channels": x.channels, "average": int(average), "fewest": fewest, "lengths": len(factors)},
        (folding.lanes,),
        folding.lanes,
        {"wide": wide("global_pool", bits, shift)},
        {"reciprocal": table(factors), "shift": table(shift)},
    )
