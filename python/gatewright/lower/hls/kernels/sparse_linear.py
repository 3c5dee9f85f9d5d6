# SPDX-License-Identifier: Apache-2.0
"""Sparse matrix unit of sparse_linear and sparse_conv2d."""

from __future__ import annotations

from gatewright.errors import FoldingError, GraphError
from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, Table, table, wide
from gatewright.ops._sparse import Sparse
from gatewright.ops.sparse_linear import SparseLinear


def spell(op: SparseLinear, folding: Folding, x: TensorType) -> Kernel:
    """SIMD kept weights by PE outputs per cycle."""
    sparse = op.sparse(x.fixed)
    shape, widths, tables = sparse_unit(sparse, folding)
    return Kernel("sparse_linear", shape, (sparse.lanes(folding),), folding.pe, widths, tables)


def sparse_unit(sparse: Sparse, folding: Folding) -> tuple[dict[str, int], dict[str, int], dict[str, Table]]:
    """Shape, widths and tables of a folded sparse unit."""
    try:
        sparse.check(folding)
    except GraphError as error:
        raise FoldingError(error.place, error.problem, error.allowed) from None
    matrix, rows = sparse.matrix, sparse.rows(folding)
    shape = {
        "ins": matrix.ins,
        "outs": matrix.outs,
        "rows": len(rows.weight),
        "simd": folding.simd,
        "reach": sparse.reach,
        "sources": rows.place.shape[1],
    }
    bits = max(matrix.accumulator.width, matrix.offset_width) + 1
    widths = {"accumulator": matrix.accumulator.width, "wide": wide("sparse_linear", bits, matrix.shift)}
    tables = {
        "weight": table(rows.weight),
        "place": table(rows.place),
        "ends": table(rows.final),
        "bias": table(matrix.bias),
        "shift": table(matrix.shift),
    }
    return shape, widths, tables
