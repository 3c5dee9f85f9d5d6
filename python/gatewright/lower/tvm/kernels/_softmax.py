# SPDX-License-Identifier: Apache-2.0
"""The integer softmax of `ops/_softmax.py` in TIR: weights of scores, and the reciprocal of their sum."""

from __future__ import annotations

from dataclasses import dataclass

from tvm import tirx
from tvm.tirx.script import builder as T

from gatewright.lower.tvm.program import Constant
from gatewright.lower.tvm.tir import Buffer, Expr, lit
from gatewright.ops import _softmax as softmax

WIDE = "int64"


def tables() -> list[Constant]:
    """What `Tables` reads, in its order."""
    return [t.astype("int32") for t in (*softmax.exp_table(), *softmax.reciprocal_table())]


@dataclass(frozen=True, eq=False)
class Tables:
    """Buffers of base and drop, of the exponential and of the reciprocal."""

    exp_base: Buffer
    exp_drop: Buffer
    base: Buffer
    drop: Buffer

    def weight(self, distance: Expr, scale: int, scale_shift: int) -> Expr:
        """e, as int64, of a score that is int64 `distance` below the greatest."""
        moved = distance * lit(scale, WIDE) + lit((1 << scale_shift) >> 1, WIDE)
        octaves = tirx.min(moved >> lit(scale_shift, WIDE), lit(softmax.U_MAX, WIDE)).astype("int32")
        return T.Bind(self._power(T.Bind(octaves)).astype(WIDE))

    def _power(self, u: Expr) -> Expr:
        """`_softmax.exp2`."""
        step = softmax.FRACTION - softmax.EXP_SEGMENTS
        fraction = u & ((1 << softmax.FRACTION) - 1)
        segment, offset = T.Bind(fraction >> step), fraction & ((1 << step) - 1)
        shift = T.Bind((u >> softmax.FRACTION) + step)
        line = (self.exp_base[segment] << step) - self.exp_drop[segment] * offset
        # More than 31 octaves do not occur below 32 bits of shift: a line has 24 bits, and the result is 0 from 25 on.
        shift = tirx.min(shift, 30)
        return (line + (lit(1, "int32") << (shift - 1))) >> shift

    def divisor(self, total: Expr) -> tuple[Expr, Expr]:
        """E and r, as int64, of an int64 sum."""
        exponent = T.Bind(lit(63, WIDE) - tirx.clz(total).astype(WIDE))
        return exponent, T.Bind(self._reciprocal(total, exponent).astype(WIDE))

    def _reciprocal(self, total: Expr, exponent: Expr) -> Expr:
        """`_softmax.reciprocal`."""
        bits, step = softmax.EXP_BITS, softmax.EXP_BITS - softmax.RECIPROCAL_SEGMENTS
        mantissa = T.Bind((total >> (exponent - bits)).astype("int32") & ((1 << bits) - 1))
        segment, offset = T.Bind(mantissa >> step), mantissa & ((1 << step) - 1)
        return ((self.base[segment] << step) - self.drop[segment] * offset + (1 << (step - 1))) >> step
