# SPDX-License-Identifier: Apache-2.0
"""The matrix unit of linear layers and convolutions: blocks of tokens by blocks of outputs in registers.

Weights are packed so that a vector holds neighbouring outputs, and with dot-product instructions the 4 (8-bit inputs)
or 2 (16-bit inputs) neighbouring products of each. A token count that is no multiple of the block repeats its last
token instead of branching: the same value is written twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.fixed import Ints
from gatewright.graph import TensorType, most_tokens
from gatewright.lower.tvm.program import Constant, Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, pointwise, saturated, spread, word
from gatewright.ops._matrix import Matrix

LANES = 16
"""Outputs per vector of 32-bit sums."""
TOKENS = 8
"""Tokens per block with dot products: with two vectors each, 16 of 32 registers hold sums."""


@dataclass(frozen=True)
class Plan:
    """How a matrix is computed.

    Attributes:
        pack: products that one instruction sums: 4, 2, or 1 without dot products.
        tokens, vectors: block of tokens and of vectors of outputs whose sums stay in registers.
        lanes: outputs per vector.
        flip: what is added to inputs first, half their range: dot products want bytes without sign and shorts with one.
        sums: type of the sums.
        wide: type of sum plus offset.
    """

    pack: int
    tokens: int
    vectors: int
    lanes: int
    flip: int
    sums: str
    wide: str


def choose(matrix: Matrix, x: Value, row: int, dots: bool) -> Plan:
    """The plan for inputs `x` of `row` channels per group."""
    sums, wide = word(matrix.accumulator.width), word(matrix.total_width)
    bits, block = x.form.width, min(TOKENS, most_tokens(x.tokens))
    if dots and matrix.groups == 1 and sums == "int32":
        if bits <= 8 and matrix.weight_width <= 8 and row % 4 == 0:
            return Plan(4, block, 2, LANES, 128 * (x.dtype == "int8"), sums, wide)
        if 8 < bits <= 16 and row % 2 == 0:
            # A narrow unsigned value is the same bits as a signed one.
            flip = -(1 << 15) * (x.dtype == "uint16" and bits == 16)
            return Plan(2, block, 2, LANES, flip, sums, wide)
    lanes = LANES if sums == "int32" else LANES // 2
    return Plan(1, min(block, lanes // 4), 1, lanes, 0, sums, wide)


def matrix(emit: Emitter, unit: Matrix, x: Value, output: TensorType) -> Value:
    """Emit `unit` on rows [groups * in per group]; columns beyond `unit.ins` of a single group count as zero."""
    row = x.row[0] // unit.groups
    plan = choose(unit, x, row, emit.processor.dots)
    if plan.flip:
        x = _flipped(emit, x, plan)
    constants = [packed(unit.weight, row, plan), *_offsets(unit, plan)]

    def body(count: Expr, source: Buffer, weights: Buffer, *rest: Buffer) -> None:
        *tables, target = rest
        _Body(plan, unit, count, source, weights, tuple(tables), target).emit()

    return emit.result("matrix", body, [x], constants, output)


def _flipped(emit: Emitter, x: Value, plan: Plan) -> Value:
    """Inputs plus half their range, modulo the range."""
    dtype, to = ("int8", "uint8") if plan.pack == 4 else ("uint16", "int16")

    def body(_: Expr, source: Buffer, target: Buffer) -> None:
        flip = np.array(plan.flip).astype(dtype).item()
        pointwise(target, lambda t, c: (source[t, c] ^ lit(flip, dtype)).astype(to))

    return emit.call("flip", body, [x], [], x.tokens, x.row, to)


def packed(weight: Ints, row: int, plan: Plan) -> Constant:
    """[groups, out, in] -> [groups, out / lanes, in / pack, lanes * pack], filled up with zeros."""
    groups, outs, ins = weight.shape
    block = plan.lanes * plan.vectors
    full = np.zeros((groups, -(-outs // block) * block, row), np.int64)
    full[:, :outs, :ins] = weight
    split = full.reshape(groups, -1, plan.lanes, row // plan.pack, plan.pack).transpose(0, 1, 3, 2, 4)
    narrow = "int8" if np.all(np.abs(weight * 2 + 1) < 256) else "int16"
    return split.reshape(*split.shape[:3], -1).astype(narrow)


def _offsets(unit: Matrix, plan: Plan) -> list[Constant]:
    """Start of the sums, what is added in the wide type, right and left shifts: each [groups, out padded]."""
    block = plan.lanes * plan.vectors

    def rows(values: Ints, dtype: str) -> Constant:
        array = values.reshape(unit.groups, -1)
        # Wrapping on purpose: sums of 32 bits are exact modulo 2**32.
        return np.pad(array, ((0, 0), (0, -array.shape[1] % block))).astype(dtype)

    moved = -unit.weight.sum(axis=2).reshape(-1) * plan.flip if plan.flip else np.zeros_like(unit.offset)
    whole = plan.sums == plan.wide
    found = [rows(moved + unit.offset if whole else moved, plan.sums)]
    if not whole:
        found.append(rows(unit.offset, plan.wide))
    found.append(rows(np.maximum(unit.shift, 0), plan.wide))
    if unit.shift_min < 0:
        found.append(rows(np.maximum(-unit.shift, 0), plan.wide))
    return found


@dataclass(frozen=True)
class _Body:
    """Emits the loops."""

    plan: Plan
    unit: Matrix
    count: Expr
    source: Buffer
    weights: Buffer
    tables: tuple[Buffer, ...]
    target: Buffer

    def emit(self) -> None:
        """Groups, blocks of outputs, blocks of tokens: neighbours share weights."""
        plan, blocks = self.plan, self.weights.shape[1] // self.plan.vectors
        tiles = tirx.floordiv(self.count + (plan.tokens - 1), plan.tokens)
        with spread(0, tiles * (blocks * self.unit.groups)) as job:
            group = tirx.floordiv(job, tiles * blocks)
            block = tirx.floormod(tirx.floordiv(job, tiles), blocks)
            first = tirx.floormod(job, tiles) * plan.tokens
            sums = T.alloc_buffer((plan.tokens, plan.vectors, plan.lanes), plan.sums, scope="local")
            rows = [tirx.min(first + m, self.count - 1) for m in range(plan.tokens)]
            self._start(sums, group, block)
            with T.serial(0, self.weights.shape[2]) as k:
                self._products(sums, group, block, rows, k)
            for m, row in enumerate(rows):
                self._finish(sums, group, block, m, row)

    def _vector(self, table: Buffer, group: Expr, block: Expr, v: int) -> Expr:
        return table[group, tirx.Ramp((block * self.plan.vectors + v) * self.plan.lanes, 1, self.plan.lanes)]

    def _start(self, sums: Buffer, group: Expr, block: Expr) -> None:
        for m in range(self.plan.tokens):
            for v in range(self.plan.vectors):
                T.buffer_store(sums, self._vector(self.tables[0], group, block, v), [m, v, self._all()])

    def _all(self) -> Expr:
        return tirx.Ramp(0, 1, self.plan.lanes)

    def _products(self, sums: Buffer, group: Expr, block: Expr, rows: list[Expr], k: Expr) -> None:
        plan = self.plan
        for v in range(plan.vectors):
            weights = self.weights[group, block * plan.vectors + v, k, tirx.Ramp(0, 1, plan.lanes * plan.pack)]
            weights = T.Bind(self._weights(weights))
            for m, row in enumerate(rows):
                now = sums[m, v, self._all()]
                T.buffer_store(sums, self._dot(now, self._inputs(group, row, k), weights), [m, v, self._all()])

    def _weights(self, vector: Expr) -> Expr:
        plan = self.plan
        if plan.pack == 1:
            return vector.astype(f"{plan.sums}x{plan.lanes}")
        return vector.astype(self._pairs())

    def _pairs(self) -> str:
        """Type of the operands of a dot product."""
        return f"{'int8' if self.plan.pack == 4 else 'int16'}x{self.plan.lanes * self.plan.pack}"

    def _inputs(self, group: Expr, row: Expr, k: Expr) -> Expr:
        """The inputs of one step, in every lane."""
        plan = self.plan
        if plan.pack == 1:
            value = self.source[row, group * self.weights.shape[2] + k].astype(plan.sums)
            return tirx.Broadcast(value, plan.lanes)
        value = tirx.reinterpret("int32", self.source[row, tirx.Ramp(k * plan.pack, 1, plan.pack)])
        return tirx.reinterpret(self._pairs(), tirx.Broadcast(value, plan.lanes))

    def _dot(self, sums: Expr, inputs: Expr, weights: Expr) -> Expr:
        plan = self.plan
        if plan.pack == 1:
            return sums + inputs * weights
        name = "llvm.x86.avx512.vpdpbusd.512" if plan.pack == 4 else "llvm.x86.avx512.vpdpwssd.512"
        return tirx.call_llvm_pure_intrin(f"int32x{plan.lanes}", name, sums, inputs, weights)

    def _finish(self, sums: Buffer, group: Expr, block: Expr, m: int, row: Expr) -> None:
        """Offset, shift, saturate, store."""
        plan, unit = self.plan, self.unit
        tables = list(self.tables[1:])
        offset = tables.pop(0) if plan.sums != plan.wide else None
        right, left = tables[0], tables[1] if len(tables) > 1 else None
        for v in range(plan.vectors):
            lanes = plan.lanes
            outs, at = unit.outs, (block * plan.vectors + v) * lanes
            value = sums[m, v, self._all()].astype(f"{plan.wide}x{lanes}")
            if offset is not None:
                value = value + self._vector(offset, group, block, v)
            if left is not None:
                value = value << self._vector(left, group, block, v)
            value = value >> self._vector(right, group, block, v)
            value = saturated(value, unit.output, plan.wide, lanes).astype(f"{self.target.dtype}x{lanes}")
            if outs % (lanes * plan.vectors) == 0:
                T.buffer_store(self.target, value, [row, tirx.Ramp(group * outs + at, 1, lanes)])
                continue
            part = T.alloc_buffer((lanes,), self.target.dtype, scope="local")
            T.buffer_store(part, value, [self._all()])
            with T.serial(0, tirx.max(tirx.min(outs - at, lanes), 0)) as i:
                T.buffer_store(self.target, part[i], [row, group * outs + at + i])
