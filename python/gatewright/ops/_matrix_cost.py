# SPDX-License-Identifier: Apache-2.0
"""Analytic resources of `linear.sv`, block by block; `bench/resources.py` holds it against Yosys."""

from __future__ import annotations

from math import ceil

from gatewright.graph import Cost, Folding
from gatewright.ops._matrix import DSP_BITS, Matrix
from gatewright.ops._memory_cost import memory, store

CONTROL = Cost(lut=70, ff=100)
"""Counters and handshakes."""


def matrix_cost(matrix: Matrix, folding: Folding) -> Cost:
    """Resources of the whole operator: replay, stores, multipliers, adder trees, rescaling, register slice."""
    tokens, words = folding.tokens, matrix.ins // folding.simd
    folds = matrix.outs // folding.pe
    total = CONTROL + products(matrix, folding) + store(matrix.row_bits(folding), matrix.depth(folding), folding)
    if matrix.coding(folding):
        total += matrix.look_up(folding)
    if folds > 1:
        total += memory(tokens * folding.simd * matrix.x.width, 2 * words)
    if not matrix.plain:
        total += rescale(matrix, folding) + store(
            folding.pe * (matrix.offset_width + matrix.shift_bits), matrix.groups * folds, folding
        )
    out = folding.pe * matrix.output.width
    if tokens > 1:
        return total + memory(tokens * out, 2 * folds) + Cost(ff=out)
    return total + Cost(lut=out, ff=2 * out)


def products(matrix: Matrix, folding: Folding) -> Cost:
    """Multipliers, adder tree and accumulators."""
    paired, chain = matrix.pairs(folding), matrix.chain(folding)
    a, w, acc = matrix.x.width + (not matrix.x.signed), matrix.weight_width, matrix.accumulator.width
    units = folding.pe * folding.tokens // (2 if paired else 1)
    links = ceil(folding.simd / chain)
    product = a + (folding.port if paired else w)
    in_dsp = paired or (min(a, w) > 1 and a + w >= DSP_BITS and not matrix.fabric)
    widths = [ceil(chain / 2**level) * (product + level) for level in range(matrix.levels(folding) + 1)]
    # A DSP block takes in the product's register and the adder of the first level.
    first = 2 if in_dsp else 0
    tree = units * links * sum(widths[first:])
    adders = units * links * sum(widths[max(first, 1) :])
    multipliers = units * folding.simd
    accumulators = folding.pe * folding.tokens * acc
    lut = adders + accumulators * links + (4 * units * links if paired else 0)
    if matrix.fabric:
        digits = ceil(w / 2)
        lut += multipliers * a * (digits + 0.9 * (digits - 1))
    elif not in_dsp:
        lut += multipliers * a * w * 0.6
    return Cost(lut=lut, ff=tree + accumulators, dsp=multipliers if in_dsp else 0)


def rescale(matrix: Matrix, folding: Folding) -> Cost:
    """Offset adder, extra shift, saturation."""
    lanes, width = folding.pe * folding.tokens, matrix.total_width
    lut = lanes * (width * (1 + matrix.shift_bits) + 1.5 * matrix.output.width)
    return Cost(lut=lut, ff=lanes * (width + matrix.output.width))
