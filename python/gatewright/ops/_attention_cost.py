# SPDX-License-Identifier: Apache-2.0
"""Analytic resources of `top_k_attention.sv`, block by block; the rules were chosen on modules taken through Yosys."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from gatewright.fixed import Fixed
from gatewright.graph import Cost, Folding, TensorType
from gatewright.ops import _softmax as softmax
from gatewright.ops._attention_rtl import Shape
from gatewright.ops._memory_cost import ULTRA_DEPTH
from gatewright.ops._selector import GREATEST, LEVELS

if TYPE_CHECKING:
    from gatewright.ops.top_k_attention import TopKAttention

BLOCK_BITS = 4096
"""Memories of more bits, and of more than 64 rows, are block RAM."""
BLOCK_SHAPES = ((36, 1024), (18, 2048), (9, 4096), (4, 8192), (2, 16384), (1, 32768))
"""Width and depth of a BRAM36; half of one is half as deep."""


def attention_cost(op: TopKAttention, folding: Folding, q: TensorType, k: TensorType, v: TensorType) -> Cost:
    """Resources of all engines and of the store of constants."""
    shape = Shape.of(op, folding, q)
    rows = [shape.dim * _signed(x.fixed) for x in (q, k, v)]
    engine = _memory(op, folding, shape, rows) + _codes(op, shape, (q, k)) + _selector(op, shape) + _sorter(op, shape)
    engine += _exact(shape, q.fixed, k.fixed, rows[0]) + _weights(op.score(q, k).width, shape)
    engine += _mean(op, shape, v)
    constants = LEVELS[op.bits] * (_signed(q.fixed) + _signed(k.fixed)) + 32
    total = Cost(lut=60 + constants, ff=100 + constants)
    for _ in range(shape.engines):
        total += engine
    return total


def _signed(form: Fixed) -> int:
    """Bits as a two's complement number."""
    return form.width + (not form.signed)


def ram(bits: int, depth: int, ultra: bool) -> Cost:
    """A memory with one write and one registered read port."""
    if ultra and depth >= ULTRA_DEPTH:
        return Cost(uram288=ceil(bits / 72) * ceil(depth / 4096))
    if depth > 64 and bits * depth > BLOCK_BITS:
        halves = min(ceil(bits / wide) * ceil(2 * depth / deep) for wide, deep in BLOCK_SHAPES)
        # Deeper ones need a multiplexer behind their blocks.
        return Cost(lut=bits if depth > 1024 else 0, bram36=halves / 2)
    return Cost(lut=bits * 8 / 7 * ceil(depth / 64), ff=bits)


def _memory(op: TopKAttention, folding: Folding, shape: Shape, rows: list[int]) -> Cost:
    """Queries, keys, values, codes; allocation, issue, and the queues of sequences and of waiting queries."""
    slots, blocks = shape.groups * shape.blocks * shape.keys, shape.groups * shape.blocks
    total = Cost(lut=250, ff=sum(rows) + 300)
    for bits in rows:
        total += ram(bits, slots, folding.ultra)
    for _ in range(shape.keys):
        total += ram(op.bits * shape.dim, blocks, folding.ultra)
    constants = LEVELS[op.bits] * rows[0] / shape.dim + 40
    return total + Cost(lut=0.6 * (rows[0] + 2 * constants), ff=2 * rows[0] + 5 * constants)


def _codes(op: TopKAttention, shape: Shape, inputs: tuple[TensorType, TensorType]) -> Cost:
    """One comparison per bit of a count, with a threshold that the bits before it select."""
    compare = 0 if op.bits == 1 else 0.25 + 2.4 * (op.bits - 1)
    bits = sum(_signed(x.fixed) for x in inputs)
    return Cost(lut=shape.dim * bits * compare, ff=2 * shape.dim * op.bits)


def _selector(op: TopKAttention, shape: Shape) -> Cost:
    """Counts of ones and their weighted sum, per key."""
    pairs, score = op.bits**2, _low_width(op, shape)
    registers = op.bits * shape.dim + pairs * shape.dim.bit_length() + score
    return Cost(lut=shape.keys * pairs * (2 * shape.dim + 2), ff=shape.keys * registers + 40)


def _low_width(op: TopKAttention, shape: Shape) -> int:
    return (shape.dim * GREATEST[op.bits] ** 2).bit_length() + 1


def _sorter(op: TopKAttention, shape: Shape) -> Cost:
    """Per cell: a comparator per candidate, the multiplexer that merges, the list that leaves."""
    key, index = _low_width(op, shape) + 1, (shape.blocks * shape.keys - 1).bit_length()
    # A place takes one of its own and `keys` neighbours' entries, or one of the candidates.
    merge = (key + index) * (shape.keys + 0.5 * (shape.keys > 1))
    return Cost(
        lut=shape.top * (shape.keys * key + merge + index) + 1.5 * shape.keys**2 * key,
        ff=shape.top * (key + 2 * index) + shape.keys * (key + index) + 60,
    )


def _exact(shape: Shape, q: Fixed, k: Fixed, row: int) -> Cost:
    """A product per channel and the adder tree, the first level of which lies in the multiplier blocks."""
    a, b = _signed(q), _signed(k)
    blocks = min(a, b) > 1 and a + b >= 9
    lut = 8 * shape.dim if blocks else shape.dim * (0.6 * a * b + a + b)
    return Cost(lut=lut + 100, ff=9 * shape.dim + 100, dsp=shape.dim if blocks else 0)


def _weights(score: int, shape: Shape) -> Cost:
    """Buffers of two rows, scaling and the exponential."""
    return Cost(lut=250 + 3 * (score + 16), ff=170, dsp=(1 if score <= 26 else 2) + 1)


def _mean(op: TopKAttention, shape: Shape, v: TensorType) -> Cost:
    """A product and an accumulator per channel, the sums on hold, the reciprocal, normalisation."""
    total, out = softmax.weighted(v.fixed, shape.top).width, op.output.width
    product = _signed(v.fixed) + softmax.EXP_BITS + 1
    wide = 2 if total > 27 else 1
    return Cost(
        lut=shape.dim * (3 * total + out) + shape.lanes * 4 * total + 100,
        ff=shape.dim * (2 * total + product + 3 * out) + 3 * shape.lanes * total,
        dsp=shape.dim + wide * shape.lanes + 1,
    )
