# SPDX-License-Identifier: Apache-2.0
"""Integer softmax: a base-2 exponential and a reciprocal, both range-reduced to a table of equal segments.

With the score distance t >= 0 below the row's maximum and `scale * 2**-(shift + FRACTION)` octaves per step,

    u = min(round(t * scale * 2**-shift), U_MAX)             octaves in units of 2**-FRACTION
    e = round(2**16 * 2**-(u * 2**-FRACTION))                table over the fraction, shift by the integer part
    S = sum of e,   E = floor(log2 S),   r = 2**(16 + E) / S  table over the mantissa of S
    sum of e * v / S = (sum of e * v) * r * 2**-(16 + E)

Tables are chords: exact where a segment begins, and a little too large between. So e(0) = 2**16 and the reciprocal of a
power of two are exact, and attention over one key is that key's value.
"""

from __future__ import annotations

from math import ceil, log2

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, accumulator, round_shift

FRACTION = 12
"""Bits of u behind the binary point."""
OCTAVES = 5
"""Bits of u before it; e is 0 from 18 octaves on."""
U_MAX = (1 << (FRACTION + OCTAVES)) - 1
EXP_BITS = 16
"""e is at most 2**EXP_BITS, and so is r."""
EXP_SEGMENTS = 5
"""log2 of the number of segments of the exponential."""
RECIPROCAL_SEGMENTS = 6
"""log2 of the number of segments of the reciprocal."""
SCALE_BITS = 16
"""Bits of a scale, leading one included."""
MOST_SHIFT = 62

EXP_RELATIVE = 7.0e-5
EXP_ABSOLUTE = 0.5
"""|e - 2**16 * 2**-x| <= EXP_RELATIVE * 2**16 * 2**-x + EXP_ABSOLUTE with x = u * 2**-FRACTION, for every u."""
RECIPROCAL_RELATIVE = 8.5e-5
"""|r - 2**(16 + E) / S| <= RECIPROCAL_RELATIVE * 2**(16 + E) / S for every S >= 2**16."""


def chords(values: Ints) -> tuple[Ints, Ints]:
    """(base, drop) of the segments between falling `values`: a line from base to base - drop."""
    return values[:-1], values[:-1] - values[1:]


def exp_table() -> tuple[Ints, Ints]:
    """Base and drop of 2**16 * 2**-x on [0, 1)."""
    x = np.arange((1 << EXP_SEGMENTS) + 1) / (1 << EXP_SEGMENTS)
    return chords(np.rint(np.ldexp(2.0**-x, EXP_BITS)).astype(np.int64))


def reciprocal_table() -> tuple[Ints, Ints]:
    """Base and drop of 2**16 / (1 + x) on [0, 1)."""
    x = np.arange((1 << RECIPROCAL_SEGMENTS) + 1) / (1 << RECIPROCAL_SEGMENTS)
    return chords(np.rint(np.ldexp(1 / (1 + x), EXP_BITS)).astype(np.int64))


_EXP, _RECIPROCAL = exp_table(), reciprocal_table()


def octaves(distance: Ints, scale: int, shift: int) -> Ints:
    """u of score distances t >= 0."""
    return np.minimum(round_shift(distance * scale, shift), U_MAX)


def exp2(u: Ints) -> Ints:
    """e of u in [0, U_MAX]."""
    base, drop = _EXP
    step = FRACTION - EXP_SEGMENTS
    fraction = u & ((1 << FRACTION) - 1)
    segment, offset = fraction >> step, fraction & ((1 << step) - 1)
    return round_shift((base[segment] << step) - drop[segment] * offset, step + (u >> FRACTION))


def exponent(total: Ints) -> Ints:
    """E = floor(log2 S) for 2**16 <= S < 2**52."""
    return np.frexp(total.astype(np.float64))[1].astype(np.int64) - 1


def reciprocal(total: Ints) -> Ints:
    """r of S >= 2**16, from the 16 bits behind its leading one; the others are cut off."""
    base, drop = _RECIPROCAL
    step = EXP_BITS - RECIPROCAL_SEGMENTS
    mantissa = (total >> (exponent(total) - EXP_BITS)) & ((1 << EXP_BITS) - 1)
    segment, offset = mantissa >> step, mantissa & ((1 << step) - 1)
    return round_shift((base[segment] << step) - drop[segment] * offset, step)


def octave_scale(per_step: float) -> tuple[int, int]:
    """(scale, shift) for `per_step` octaves per integer step of the score; the shift is 1 to MOST_SHIFT.

    The relative error is at most 2**-SCALE_BITS, and more only where u saturates at once or is always 0.
    """
    shift = SCALE_BITS - FRACTION - 1 - ceil(log2(per_step))
    shift = min(max(shift, 1), MOST_SHIFT)
    scale = round(per_step * 2.0 ** (FRACTION + shift))
    if scale == 1 << SCALE_BITS and shift > 1:
        scale, shift = scale >> 1, shift - 1
    # From here on one step already saturates u.
    return min(scale, 2 * (U_MAX + 1)), shift


def weighted(value: Fixed, count: int) -> Fixed:
    """Format of the sum of e * v over `count` values."""
    return accumulator(value, Fixed(EXP_BITS + 1, 0, signed=False), count)


def exponents(count: int) -> tuple[int, int]:
    """Least and greatest E over `count` weights."""
    return EXP_BITS, EXP_BITS + count.bit_length() - 1


def check(place: str, score: Fixed, value: Fixed, count: int, scale: int, scale_shift: int, shift: int) -> None:
    """Check that every intermediate of rows of at most `count` scores fits, in float64 products too.

    Args:
        place: the operator.
        score, value: formats.
        scale, scale_shift: octaves per step of the score.
        shift: binary point of the values minus that of the result.

    Raises:
        GraphError: names the attribute or the intermediate.
    """
    if not (1 <= scale_shift <= MOST_SHIFT and scale >= 0):
        raise GraphError(
            place, f"scale {scale}, scale_shift {scale_shift}", f"scale >= 0, scale_shift 1 to {MOST_SHIFT}"
        )
    distance, sums = score.width + scale.bit_length(), weighted(value, count).width + EXP_BITS + 1
    for name, width in (("scaled score", distance), ("weighted sum", sums)):
        if width > MAX_WIDTH:
            raise GraphError(place, f"a {name} of {width} bits", f"at most {MAX_WIDTH}", "use narrower activations")
    least, most = (EXP_BITS + e for e in exponents(count))
    if not 1 <= least + shift <= most + shift <= MAX_WIDTH:
        raise GraphError(f"{place}.shift", f"{shift}", f"{1 - least} to {MAX_WIDTH - most}")


def exp_bound(octaves: Floats, error: float) -> Floats:
    """Bound of |e * 2**-16 - 2**-x| for true octaves x when the scale is off by the relative `error`.

    Rounding moves u by half a step and the scale by `x * error`; where u saturates, both sides are below 2**-31.
    """
    moved = 2.0 ** (0.5 * 2.0**-FRACTION + np.minimum(octaves, 64.0) * error)
    return 2.0**-octaves * (moved * (1 + EXP_RELATIVE) - 1) + EXP_ABSOLUTE * 2.0**-EXP_BITS
