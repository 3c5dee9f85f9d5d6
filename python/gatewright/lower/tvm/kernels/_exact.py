# SPDX-License-Identifier: Apache-2.0
"""Exact attention of a query over chosen keys: gathered scores, integer softmax (`ops/_softmax.py`), weighted sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.lower.tvm.kernels._softmax import WIDE, Tables
from gatewright.lower.tvm.program import Value
from gatewright.lower.tvm.tir import Buffer, Expr, lit, saturated, word
from gatewright.ops import _softmax as softmax
from gatewright.ops.top_k_attention import TopKAttention


@dataclass(frozen=True, eq=False)
class Exact:
    """Emits the exact part.

    Attributes:
        op: the operator.
        values: queries, keys and values; `inputs` are their buffers.
        tables: of the softmax.
        target: results [n, channels].
        keys: most keys that a query takes.
    """

    op: TopKAttention
    values: tuple[Value, Value, Value]
    inputs: Sequence[Buffer]
    tables: Tables
    target: Buffer
    keys: int

    @property
    def channels(self) -> int:
        """Channels of a head."""
        return self.values[0].row[0] // self.op.heads

    def emit(self, head: Expr, query: Expr, index: Buffer, chosen: Expr) -> None:
        """Results of one query of one head over the keys `index[:chosen]`."""
        start = T.Bind(head * self.channels)
        scores, peak = self._scores(query, start, index, chosen)
        total = self._weights(scores, peak, chosen)
        self._sums(query, start, index, chosen, scores, total)

    def _scores(self, query: Expr, start: Expr, index: Buffer, chosen: Expr) -> tuple[Buffer, Expr]:
        """Exact scores of the chosen keys, and the greatest."""
        peaks = [max(-v.form.lo, v.form.hi) for v in self.values[:2]]
        wide = word((self.channels * peaks[0] * peaks[1]).bit_length() + 1)
        scores = T.alloc_buffer((self.keys,), WIDE, scope="local")
        peak = T.alloc_buffer((1,), WIDE, scope="local")
        T.buffer_store(peak, lit(-(1 << 62), WIDE), [0])
        q, k, _ = self.inputs
        with T.serial(0, chosen) as j:
            total = T.alloc_buffer((1,), wide, scope="local")
            T.buffer_store(total, lit(0, wide), [0])
            with T.serial(0, self.channels) as c:
                product = q[query, start + c].astype(wide) * k[index[j], start + c].astype(wide)
                T.buffer_store(total, total[0] + product, [0])
            score = T.Bind(total[0].astype(WIDE))
            T.buffer_store(scores, score, [j])
            T.buffer_store(peak, tirx.max(peak[0], score), [0])
        return scores, T.Bind(peak[0])

    def _weights(self, scores: Buffer, peak: Expr, chosen: Expr) -> Expr:
        """Scores to weights in place; their sum."""
        op = self.op
        total = T.alloc_buffer((1,), WIDE, scope="local")
        T.buffer_store(total, lit(0, WIDE), [0])
        with T.serial(0, chosen) as j:
            weight = self.tables.weight(peak - scores[j], op.scale, op.scale_shift)
            T.buffer_store(scores, weight, [j])
            T.buffer_store(total, total[0] + weight, [0])
        return T.Bind(total[0])

    def _sums(self, query: Expr, start: Expr, index: Buffer, chosen: Expr, weights: Buffer, total: Expr) -> None:
        """The weighted sum of the values, divided by the sum of the weights, rounded."""
        op, value = self.op, self.values[2]
        peak = max(-value.form.lo, value.form.hi)
        wide = word((self.keys * peak << softmax.EXP_BITS).bit_length() + 1)
        sums = T.alloc_buffer((self.channels,), wide, scope="local")
        with T.serial(0, self.channels) as c:
            T.buffer_store(sums, lit(0, wide), [c])
        with T.serial(0, chosen) as j:
            weight, row = T.Bind(weights[j].astype(wide)), T.Bind(index[j])
            with T.serial(0, self.channels) as c:
                T.buffer_store(sums, sums[c] + weight * self.inputs[2][row, start + c].astype(wide), [c])
        exponent, factor = self.tables.divisor(total)
        shift = T.Bind(exponent + (softmax.EXP_BITS + op.shift))
        half = T.Bind(lit(1, WIDE) << (shift - 1))
        with T.serial(0, self.channels) as c:
            result = (sums[c].astype(WIDE) * factor + half) >> shift
            T.buffer_store(
                self.target, saturated(result, op.output, WIDE).astype(self.target.dtype), [query, start + c]
            )
