# SPDX-License-Identifier: Apache-2.0
"""The choice of the best keys of a query: scores in one short row, the k-th greatest by bisection, then the indices.

Bisection counts `score >= middle` over the row, 32 scores per instruction; a dozen passes over a row that stays in the
first-level cache are cheaper than any insertion, which branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.lower.tvm.tir import Buffer, Expr, lit
from gatewright.ops._selector import GREATEST
from gatewright.ops.top_k_attention import TopKAttention

QUERIES = 8
"""Neighbouring queries of a head that one core takes, so that it reads the keys' codes once from memory."""
VECTOR = 32
"""Scores per comparison."""
KEYS = 16
"""Scores per dot product."""


@dataclass(eq=False)
class Select:
    """Emits the choice.

    Attributes:
        op: the operator.
        selects: whether there are codes; else all keys are taken.
        most: longest row of scores.
        count: keys of the sequence.
        codes: of the queries [n, heads, channels] and of the keys [vectors, heads, chunks, lanes].
        index: where the chosen keys go, rising.
        pack: products that one instruction sums.
    """

    op: TopKAttention
    selects: bool
    most: int
    count: Expr
    codes: Sequence[Buffer]
    index: Buffer
    pack: int
    row: Buffer = field(init=False)
    least: int = 0
    greatest: int = 0
    score: str = "int16"

    def allocate(self) -> None:
        """The row of scores."""
        if not self.selects:
            return
        code = GREATEST[self.op.bits]
        channels = int(self.codes[0].shape[2])
        # A key's code is 0 to 2 * code after the move.
        self.greatest = 2 * code * code * channels
        self.least = -self.greatest
        self.score = "int16" if self.greatest < np.iinfo(np.int16).max else "int32"
        self.row = T.alloc_buffer((self.most,), self.score)

    def emit(self, head: Expr, query: Expr, allowed: Expr, chosen: Expr) -> None:
        """Fill `index` with the `chosen` best of the first `allowed` keys."""
        if not self.selects:
            self._all(chosen)
            return
        with T.If(allowed <= self.op.top):
            with T.Then():
                self._all(chosen)
            with T.Else():
                self._scores(head, query, allowed)
                limit = self._threshold(allowed, chosen)
                self._collect(allowed, chosen, limit)

    def _all(self, chosen: Expr) -> None:
        with T.serial(0, chosen) as j:
            T.buffer_store(self.index, j, [j])

    def _vectors(self, allowed: Expr) -> Expr:
        return tirx.floordiv(allowed + (VECTOR - 1), VECTOR)

    def _scores(self, head: Expr, query: Expr, allowed: Expr) -> None:
        """The row; places from `allowed` on, to a whole vector, are below every score."""
        queries, keys = self.codes
        with T.serial(0, tirx.floordiv(allowed + (KEYS - 1), KEYS)) as block:
            sums = T.alloc_buffer((KEYS,), "int32", scope="local")
            T.buffer_store(sums, tirx.Broadcast(lit(0, "int32"), KEYS), [tirx.Ramp(0, 1, KEYS)])
            for chunk in range(int(keys.shape[2])):
                code = keys[block, head, chunk, tirx.Ramp(0, 1, KEYS * self.pack)]
                now = sums[tirx.Ramp(0, 1, KEYS)]
                T.buffer_store(sums, self._dot(now, code, queries, query, head, chunk), [tirx.Ramp(0, 1, KEYS)])
            narrow = sums[tirx.Ramp(0, 1, KEYS)].astype(f"{self.score}x{KEYS}")
            T.buffer_store(self.row, narrow, [tirx.Ramp(block * KEYS, 1, KEYS)])
        with T.serial(allowed, self._vectors(allowed) * VECTOR) as j:
            T.buffer_store(self.row, lit(np.iinfo(self.score).min, self.score), [j])

    def _dot(self, sums: Expr, code: Expr, queries: Buffer, query: Expr, head: Expr, chunk: int) -> Expr:
        if self.pack == 1:
            own = queries[query, head, chunk].astype("int32")
            return sums + code.astype(f"int32x{KEYS}") * tirx.Broadcast(own, KEYS)
        own = tirx.reinterpret("int32", queries[query, head, tirx.Ramp(chunk * self.pack, 1, self.pack)])
        bytes_ = tirx.reinterpret(f"int8x{KEYS * self.pack}", tirx.Broadcast(own, KEYS))
        return tirx.call_llvm_pure_intrin(f"int32x{KEYS}", "llvm.x86.avx512.vpdpbusd.512", sums, code, bytes_)

    def _above(self, allowed: Expr, limit: Expr) -> Expr:
        """How many scores are at least `limit`."""
        counts = T.alloc_buffer((VECTOR,), self.score, scope="local")
        lanes = tirx.Ramp(0, 1, VECTOR)
        T.buffer_store(counts, tirx.Broadcast(lit(0, self.score), VECTOR), [lanes])
        level = T.Bind(tirx.Broadcast(limit.astype(self.score), VECTOR))
        with T.serial(0, self._vectors(allowed)) as block:
            scores = self.row[tirx.Ramp(block * VECTOR, 1, VECTOR)]
            T.buffer_store(counts, counts[lanes] + (level <= scores).astype(f"{self.score}x{VECTOR}"), [lanes])
        return T.Bind(self._reduced("add", counts[lanes]).astype("int32"))

    def _threshold(self, allowed: Expr, chosen: Expr) -> Expr:
        """The greatest limit that `chosen` scores reach, or one that just so many reach."""
        low = T.alloc_buffer((1,), "int32", scope="local")
        high = T.alloc_buffer((1,), "int32", scope="local")
        for one, start in zip((low, high), self._bounds(allowed), strict=True):
            T.buffer_store(one, start, [0])
        with T.While(low[0] < high[0]):
            middle = T.Bind((low[0] + high[0] + 1) >> 1)
            above = self._above(allowed, middle)
            T.buffer_store(high, tirx.Select(chosen < above, high[0], middle - (above < chosen).astype("int32")), [0])
            T.buffer_store(low, tirx.Select(chosen <= above, middle, low[0]), [0])
        return T.Bind(low[0])

    def _bounds(self, allowed: Expr) -> tuple[Expr, Expr]:
        """Least and greatest limit that there may be.

        Each lane of a vector has a greatest score, so at least VECTOR scores reach the least of these.
        """
        lanes = tirx.Ramp(0, 1, VECTOR)
        best = T.alloc_buffer((VECTOR,), self.score, scope="local")
        T.buffer_store(best, self.row[lanes], [lanes])
        with T.serial(1, self._vectors(allowed)) as block:
            T.buffer_store(best, tirx.max(best[lanes], self.row[tirx.Ramp(block * VECTOR, 1, VECTOR)]), [lanes])
        greatest = self._reduced("smax", best[lanes]).astype("int32")
        least = lit(self.least, "int32")
        if self.op.top <= VECTOR:
            least = tirx.max(self._reduced("smin", best[lanes]).astype("int32"), least)
        return least, greatest

    def _collect(self, allowed: Expr, chosen: Expr, limit: Expr) -> None:
        """Indices of the scores above the limit, and of the first ones on it, as many as are missing."""
        if self.pack > 1:
            self._compress(allowed, chosen, limit)
            return
        place = T.alloc_buffer((1,), "int32", scope="local")
        spare = T.alloc_buffer((1,), "int32", scope="local")
        T.buffer_store(place, lit(0, "int32"), [0])
        T.buffer_store(spare, chosen - self._above(allowed, limit + 1), [0])
        with T.serial(0, self._vectors(allowed)) as block:
            best = self._reduced("smax", self.row[tirx.Ramp(block * VECTOR, 1, VECTOR)]).astype("int32")
            with T.If(limit <= best), T.Then(), T.serial(0, VECTOR) as lane:
                score = T.Bind(self.row[block * VECTOR + lane].astype("int32"))
                tie = T.Bind(tirx.all(tirx.EQ(score, limit), spare[0] > 0).astype("int32"))
                T.buffer_store(self.index, block * VECTOR + lane, [place[0]])
                T.buffer_store(place, place[0] + tie + (limit < score).astype("int32"), [0])
                T.buffer_store(spare, spare[0] - tie, [0])

    def _compress(self, allowed: Expr, chosen: Expr, limit: Expr) -> None:
        """The same by compressing vectors of indices: those above go to `index`, those on the limit aside first."""
        room = int(self.index.shape[0])
        ties = T.alloc_buffer((room,), "int32", scope="local")
        places = [T.alloc_buffer((1,), "int32", scope="local") for _ in range(2)]
        for place in places:
            T.buffer_store(place, lit(0, "int32"), [0])
        level = T.Bind(tirx.Broadcast(limit.astype(self.score), KEYS))
        with T.serial(0, tirx.floordiv(allowed + (KEYS - 1), KEYS)) as block:
            scores = T.Bind(self.row[tirx.Ramp(block * KEYS, 1, KEYS)])
            for place, target, mask in (
                (places[0], self.index, level < scores),
                (places[1], ties, tirx.EQ(scores, level)),
            ):
                at = T.Bind(tirx.min(place[0], room - KEYS))
                T.buffer_store(target, self._packed(block, mask), [tirx.Ramp(at, 1, KEYS)])
                T.buffer_store(place, place[0] + self._set(mask), [0])
        with T.serial(0, chosen - places[0][0]) as j:
            T.buffer_store(self.index, ties[j], [places[0][0] + j])

    def _packed(self, block: Expr, mask: Expr) -> Expr:
        """Indices of the keys whose bit is set, next to each other."""
        keys = tirx.Ramp(block * KEYS, 1, KEYS)
        rest = tirx.Broadcast(lit(0, "int32"), KEYS)
        name = f"llvm.experimental.vector.compress.v{KEYS}i32"
        return tirx.call_llvm_pure_intrin(f"int32x{KEYS}", name, keys, mask, rest)

    def _set(self, mask: Expr) -> Expr:
        """How many bits of a mask are set."""
        lanes = mask.astype(f"int32x{KEYS}")
        return tirx.call_llvm_pure_intrin("int32", f"llvm.vector.reduce.add.v{KEYS}i32", lanes)

    def _reduced(self, how: str, vector: Expr) -> Expr:
        """All lanes in one."""
        name = f"llvm.vector.reduce.{how}.v{VECTOR}i{self.score[3:]}"
        return tirx.call_llvm_pure_intrin(self.score, name, vector)
