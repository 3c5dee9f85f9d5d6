# SPDX-License-Identifier: Apache-2.0
"""Matrix unit of linear and of the convolutions."""

from __future__ import annotations

from gatewright.errors import FoldingError, GraphError
from gatewright.graph import Folding, TensorType
from gatewright.lower.hls.kernel import Kernel, Table, table, wide
from gatewright.ops._matrix import Matrix
from gatewright.ops.linear import Linear


def spell(op: Linear, folding: Folding, x: TensorType) -> Kernel:
    """SIMD inputs by PE outputs per cycle."""
    shape, widths, tables = matrix_unit(op.matrix(x.fixed), folding)
    return Kernel("linear", shape, (folding.simd,), folding.pe, widths, tables)


def matrix_unit(matrix: Matrix, folding: Folding) -> tuple[dict[str, int], dict[str, int], dict[str, Table]]:
    """Shape, widths and tables of a folded matrix unit."""
    try:
        matrix.check(folding)
    except GraphError as error:
        raise FoldingError(error.place, error.problem, error.allowed) from None
    simd, pe = folding.simd, folding.pe
    rows = matrix.weight.reshape(matrix.groups, matrix.outs // pe, pe, matrix.ins // simd, simd)
    shape = {"groups": matrix.groups, "ins": matrix.ins, "outs": matrix.outs}
    bits = max(matrix.accumulator.width, matrix.offset_width) + 1
    widths = {"accumulator": matrix.accumulator.width, "wide": wide("linear", bits, matrix.shift)}
    tables = {
        # Order of use: group, fold of the outputs, step, output, input.
        "weight": table(rows.transpose(0, 1, 3, 2, 4)),
        "bias": table(matrix.bias),
        "shift": table(matrix.shift),
    }
    return shape, widths, tables
