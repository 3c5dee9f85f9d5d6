# SPDX-License-Identifier: Apache-2.0
"""Piecewise-linear functions."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops.pwl import Pwl


def spell(op: Pwl, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle. A loop's shorter tables get knots that no input reaches."""
    beyond = x.fixed.hi + 1
    total = op.table.widths(x.fixed)[2]
    return Kernel(
        "pwl",
        {"channels": x.channels},
        (folding.lanes,),
        folding.lanes,
        {"segments": op.table.segments, "wide": wide("pwl", total + 1, op.shift)},
        {
            # One knot fewer than segments, and an array of none is not legal C++.
            "knots": table([*op.knots, beyond], beyond),
            "slopes": table(op.slopes, 0),
            "offsets": table(op.offsets, 0),
            "shift": table(op.shift),
        },
    )
