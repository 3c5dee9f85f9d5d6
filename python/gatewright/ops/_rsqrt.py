# SPDX-License-Identifier: Apache-2.0
"""Reciprocal square root of wide integers, as `rsqrt.sv` computes it.

`v = m * 4**half` with m in [1, 4) has `1 / sqrt(v) = r * 2**-(FRACTION + half)` with `r = 2**FRACTION / sqrt(m)` from a
table: 2**INDEX chords for m in [1, 2), as many for [2, 4), with TAIL bits of m between two nodes. What is below them is
cut off, so r is off by the middle of that rest, by the bow of a chord and by its own rounding.
"""

from __future__ import annotations

from math import isqrt

import numpy as np

from gatewright.fixed import Floats, Ints

FRACTION = 17
"""Fraction bits of r, which lies in [0.5, 1): an unsigned 17-bit operand, 18 bits with a sign."""
INDEX = 7
"""Bits of m behind its leading one that choose a chord."""
TAIL = 10
"""Further bits of m that count."""
GUARD = 3
"""Bits by which the nodes are finer than r."""
LOWER = 2
"""What the nodes are lowered by: chords of a convex function lie above it, cut bits make it larger still."""
RELATIVE_ERROR = 2.0**-16.36
"""Bound of |r / exact - 1|; the test looks at every chord, both of its ends and every tail."""


def nodes() -> tuple[Ints, Ints]:
    """[2 * 2**INDEX] values at the left ends of the chords and their falls to the right ends."""
    rows = [(octave, j) for octave in (0, 1) for j in range(1 << INDEX)]
    left = [_node((1 << INDEX) + j, octave) for octave, j in rows]
    right = [_node((1 << INDEX) + j + 1, octave) for octave, j in rows]
    return np.array(left, np.int64), np.array(left, np.int64) - np.array(right, np.int64)


def _node(numerator: int, octave: int) -> int:
    """`2**(FRACTION + GUARD) / sqrt(numerator * 2**(octave - INDEX))`, lowered, and so that r stays below one."""
    whole = 1 << (FRACTION + GUARD)
    root = isqrt((whole * whole << INDEX) // (numerator << octave))
    return min(root - LOWER, whole - (1 << (GUARD - 1)) - 1)


_LEFT, _FALL = nodes()


def magnitude(v: Ints) -> Ints:
    """Position of the leading one; 0 for v = 0."""
    rest, position = np.maximum(v, 1), np.zeros_like(v)
    for step in (32, 16, 8, 4, 2, 1):
        big = rest >> step > 0
        rest, position = np.where(big, rest >> step, rest), position + step * big
    return position


def rsqrt(v: Ints) -> tuple[Ints, Ints]:
    """(r, half) for non-negative integers; 0 counts as 1."""
    leading = magnitude(v)
    wide = np.maximum(v, 1)
    kept = INDEX + TAIL
    top = np.where(leading > kept, wide >> np.maximum(leading - kept, 0), wide << np.maximum(kept - leading, 0))
    row = (leading & 1) << INDEX | top >> TAIL & ((1 << INDEX) - 1)
    tail = 2 * (top & ((1 << TAIL) - 1)) + 1
    fine = _LEFT[row] - (_FALL[row] * tail >> (TAIL + 1))
    return (fine + (1 << (GUARD - 1))) >> GUARD, leading >> 1


def real(v: Ints) -> Floats:
    """What `rsqrt` stands for."""
    r, half = rsqrt(v)
    return np.ldexp(r.astype(np.float64), -(FRACTION + half))
