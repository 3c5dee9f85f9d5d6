# SPDX-License-Identifier: Apache-2.0
"""Polynomial of degree two per channel."""

from __future__ import annotations

from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops.quadratic import Quadratic


def spell(op: Quadratic, folding: Folding, x: TensorType) -> Kernel:
    """Lanes of channels per cycle."""
    whole = op.widths(x.fixed)[3]
    tables = {"square": op.square, "slope": op.slope, "constant": op.constant, "shift": op.shift}
    return Kernel(
        "quadratic",
        {"channels": x.channels},
        (folding.lanes,),
        folding.lanes,
        {"wide": wide("quadratic", whole, op.shift)},
        {name: table(values) for name, values in tables.items()},
    )
