# SPDX-License-Identifier: Apache-2.0
"""How `sparse_linear.sv` is spelled: parameters, and the rows of its stores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Ints
from gatewright.graph import Folding
from gatewright.ops import _matrix_rtl
from gatewright.ops._matrix import Bits, bits, words
from gatewright.ops._sparse import Sparse


def spell(folding: Folding, banks: Sequence[Sparse]) -> tuple[dict[str, int], tuple[Ints, ...]]:
    """SystemVerilog parameters of `sparse_linear` for matrices that share one unit, and the rows of its stores.

    Raises:
        GraphError: the folding does not divide them, or they need different units.
    """
    first = banks[0]
    first.check(folding)
    depth = first.depth(folding)
    for k, one in enumerate(banks[1:], 1):
        ours, theirs = ((s.block, s.reach, s.shared, s.depth(folding)) for s in (first, one))
        if ours != theirs:
            problem = f"block, reach, shared, rows {theirs} in iteration {k}, {ours} in iteration 0"
            raise GraphError("sparse", problem, "equal ones", "say the weights of the other iterations in `others`")
    parameters, offsets = _matrix_rtl.unit(first.unit(folding), [s.matrix for s in banks])
    for name in ("Groups", "Tokens", "Plain"):
        del parameters[name]
    parameters |= {
        "Sources": folding.pe // first.share(folding),
        "Reach": first.reach,
        "Shared": int(first.shared),
        "Rows": depth,
    }
    return parameters, (words(np.concatenate([_rows(s, folding) for s in banks])), offsets)


def _rows(sparse: Sparse, folding: Folding) -> Bits:
    """[rows, bits] of the weight store, see `sparse_linear.sv`."""
    rows = sparse.rows(folding)
    count = len(rows.weight)
    # A shared beat needs no number: of the place the channel's low bits are left.
    parts = [
        _matrix_rtl.fields(sparse.matrix, sparse.unit(folding), rows.weight),
        bits(rows.place.reshape(count, -1), sparse.place_bits(folding)),
        rows.final[:, None].astype(np.uint8),
    ]
    if sparse.shared:
        parts.append(rows.next[:, None].astype(np.uint8))
    return np.concatenate(parts, axis=1)
