# SPDX-License-Identifier: Apache-2.0
"""Analytic resources of `sparse_linear.sv`, block by block; `bench/compress_sparse.py` holds it against Yosys."""

from __future__ import annotations

from gatewright.graph import Cost, Folding
from gatewright.ops._matrix_cost import CONTROL, products, rescale
from gatewright.ops._memory_cost import memory, store
from gatewright.ops._sparse import Sparse

CHOICE = {1: 0.0, 2: 1.0, 4: 1.0, 8: 2.0, 16: 4.0}
"""Look-up tables per bit that choose one of so many channels."""


def sparse_cost(sparse: Sparse, folding: Folding) -> Cost:
    """Resources of the whole operator: memories of the token, stores, multipliers, rescaling, register slice."""
    matrix, unit = sparse.matrix, sparse.unit(folding)
    folds = matrix.outs // folding.pe
    total = CONTROL + gather_cost(sparse, folding) + products(matrix, unit)
    total += store(sparse.row_bits(folding), sparse.depth(folding), folding)
    total += rescale(matrix, folding)
    total += store(folding.pe * (matrix.offset_width + matrix.shift_bits), folds, folding)
    out = folding.pe * matrix.output.width
    return total + Cost(lut=out, ff=2 * out)


def gather_cost(sparse: Sparse, folding: Folding) -> Cost:
    """Copies of the token, multiplexers, registers of operands and weights."""
    width, words = sparse.matrix.x.width, sparse.words(folding)
    operands = folding.pe // sparse.share(folding) * folding.simd
    weights = sparse.matrix.row_bits(sparse.unit(folding))
    copies = 1 if sparse.shared else operands // folding.simd
    token = memory(copies * sparse.lanes(folding) * width, 2 * words)
    choice = operands * width * CHOICE[sparse.reach]
    return Cost(lut=token.lut + choice, ff=operands * width + weights)
