# SPDX-License-Identifier: Apache-2.0
"""Rows of a table, and positions."""

from __future__ import annotations

import numpy as np

from gatewright.graph import Folding, TensorType, most_tokens
from gatewright.lower.hls.kernel import Kernel, table, wide
from gatewright.ops.embedding import Embedding


def spell(op: Embedding, folding: Folding, x: TensorType) -> Kernel:
    """PE output channels per cycle."""
    rows, channels = op.table.shape
    places = op.positions[: most_tokens(x.tokens)]
    tables = {"table": table(op.table), "positions": table(places if len(places) else np.zeros(channels))}
    shifts = {"table_shift": op.table_shift, "position_shift": op.position_shift}
    bits = 1 + max(1 + t.fixed.width + s for t, s in zip(tables.values(), shifts.values(), strict=True))
    return Kernel(
        "embedding",
        {"rows": rows, "channels": channels, "places": len(places), **shifts},
        (1,),
        folding.pe,
        {"wide": wide("embedding", bits)},
        tables,
    )
