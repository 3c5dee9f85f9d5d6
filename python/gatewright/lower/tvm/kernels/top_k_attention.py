# SPDX-License-Identifier: Apache-2.0
"""Attention over the best keys of every query: low-bit scores of all keys, choice, then exact work on the chosen ones.

Codes of the keys are moved to be unsigned, as byte dot products want one operand: that adds the same number to all
scores of a query, which changes no order. They are packed like weights, 16 keys to a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.graph import Length, TensorType, most_tokens
from gatewright.lower.tvm.kernels._exact import Exact
from gatewright.lower.tvm.kernels._select import QUERIES, Select
from gatewright.lower.tvm.kernels._softmax import Tables, tables
from gatewright.lower.tvm.program import Emitter, Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, spread
from gatewright.ops._selector import GREATEST
from gatewright.ops.top_k_attention import TopKAttention

KEYS = 16
"""Keys per vector of scores."""


def spell(emit: Emitter, op: TopKAttention, output: TensorType, q: Value, k: Value, v: Value) -> Value:
    """Codes, then one kernel over heads and queries; without codes where all keys are taken at any length."""
    sizes = Sizes.of(op, q, emit.processor.dots)
    arrays = [q, k, v]
    if sizes.selects:
        arrays += [_query_codes(emit, op, q, sizes), _key_codes(emit, op, k, sizes)]

    def body(count: Expr, *buffers: Buffer) -> None:
        *inputs, exp_base, exp_drop, base, drop, target = buffers
        exact = Exact(op, (q, k, v), inputs[:3], Tables(exp_base, exp_drop, base, drop), target, sizes.keys)
        tiles = tirx.floordiv(count + (QUERIES - 1), QUERIES)
        with spread(0, tiles * op.heads) as job:
            head, first = tirx.floordiv(job, tiles), tirx.floormod(job, tiles) * QUERIES
            index = T.alloc_buffer((sizes.keys + KEYS,), "int32", scope="local")
            select = Select(op, sizes.selects, sizes.most, count, inputs[3:], index, sizes.pack)
            select.allocate()
            with T.serial(0, tirx.min(count - first, QUERIES)) as i:
                query = T.Bind(first + i)
                allowed = T.Bind(_allowed(op, count, query))
                chosen = T.Bind(tirx.min(allowed, op.top))
                select.emit(head, query, allowed, chosen)
                exact.emit(head, query, index, chosen)

    return emit.result("top_k_attention", body, arrays, tables(), output)


def _allowed(op: TopKAttention, count: Expr, query: Expr) -> Expr:
    """How many keys a query may see."""
    if op.causal:
        return (query + 1).astype("int32")
    return lit(count, "int32") if isinstance(count, int) else count.astype("int32")


@dataclass(frozen=True)
class Sizes:
    """Sizes of what the kernels hold.

    Attributes:
        channels: of a head.
        most: longest sequence, in whole vectors of keys.
        keys: most keys that a query takes.
        selects: whether any length needs a choice.
        pack: products that one instruction sums, of which `chunks` make a score.
    """

    channels: int
    most: int
    keys: int
    selects: bool
    pack: int
    chunks: int

    @staticmethod
    def of(op: TopKAttention, q: Value, dots: bool) -> Sizes:
        longest, channels = most_tokens(q.tokens), q.row[0] // op.heads
        pack = 4 if dots else 1
        rounded = -(-longest // (2 * KEYS)) * 2 * KEYS
        return Sizes(channels, rounded, min(op.top, longest), longest > op.top, pack, -(-channels // pack))


def _code(op: TopKAttention, value: Expr, thresholds: Sequence[int]) -> Expr:
    """`_selector.code` of an int32."""
    sign = tirx.Select(value < 0, lit(-1, "int32"), lit(1, "int32"))
    if op.bits == 1:
        return sign
    size, count = tirx.abs(value), lit(0, "int32")
    for t in thresholds:
        count = count + (lit(t, "int32") <= size).astype("int32")
    return sign * (count * 2 + 1) if op.bits == 2 else sign * count


def _query_codes(emit: Emitter, op: TopKAttention, q: Value, sizes: Sizes) -> Value:
    """[n, heads, channels filled up with zeros], signed."""

    def body(count: Expr, source: Buffer, target: Buffer) -> None:
        with spread(0, count) as t, T.serial(0, op.heads) as h:
            with T.serial(0, sizes.channels) as c:
                code = _code(op, source[t, h * sizes.channels + c].astype("int32"), op.q_thresholds)
                T.buffer_store(target, code.astype("int8"), [t, h, c])
            if sizes.chunks * sizes.pack > sizes.channels:
                with T.serial(sizes.channels, sizes.chunks * sizes.pack) as c:
                    T.buffer_store(target, lit(0, "int8"), [t, h, c])

    return emit.call("query_codes", body, [q], [], q.tokens, (op.heads, sizes.chunks * sizes.pack), "int8")


def _key_codes(emit: Emitter, op: TopKAttention, k: Value, sizes: Sizes) -> Value:
    """[key vectors, heads, chunks, keys * pack], moved by the greatest code; places beyond the last key repeat it."""
    tokens = k.tokens.then(KEYS - 1, KEYS) if isinstance(k.tokens, Length) else -(-k.tokens // KEYS)
    last = sizes.channels - 1

    def body(count: Expr, source: Buffer, target: Buffer) -> None:
        with spread(0, target.shape[0]) as block, T.serial(0, op.heads) as h, T.serial(0, sizes.chunks) as chunk:
            with T.serial(0, KEYS) as key, T.serial(0, sizes.pack) as part:
                # Codes of queries are zero where there is no channel.
                channel = tirx.min(chunk * sizes.pack + part, last)
                value = source[tirx.min(block * KEYS + key, count - 1), h * sizes.channels + channel]
                code = _code(op, value.astype("int32"), op.k_thresholds) + GREATEST[op.bits]
                T.buffer_store(target, code.astype("uint8"), [block, h, chunk, key * sizes.pack + part])

    row = (op.heads, sizes.chunks, KEYS * sizes.pack)
    return emit.call("key_codes", body, [k], [], tokens, row, "uint8")
