# SPDX-License-Identifier: Apache-2.0
"""The one arithmetic: fixed-point formats, quantisation, and the only rounding there is.

A value is an integer times a power of two, `integer * 2**-frac`. Integers travel as NumPy int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import FormatError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_WIDTH = 62
"""Widest format: every intermediate of `requantize` then stays inside int64."""


@dataclass(frozen=True)
class Fixed:
    """A fixed-point format.

    Attributes:
        width: bits, 1 to `MAX_WIDTH`.
        frac: the value is `integer * 2**-frac`; may be negative or exceed `width`.
        signed: two's complement when true.
    """

    width: int
    frac: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.width <= MAX_WIDTH:
            raise FormatError("Fixed", f"width = {self.width}", f"1 to {MAX_WIDTH} bits")

    @property
    def lo(self) -> int:
        """Smallest integer of the format."""
        return -(1 << (self.width - 1)) if self.signed else 0

    @property
    def hi(self) -> int:
        """Largest integer of the format."""
        return (1 << (self.width - self.signed)) - 1

    @property
    def ulp(self) -> float:
        """Value of one integer step."""
        return 2.0**-self.frac

    def contains(self, values: Ints) -> bool:
        """True when every integer lies in [lo, hi]."""
        return bool(np.all((values >= self.lo) & (values <= self.hi)))

    def quantize(self, values: npt.ArrayLike) -> Ints:
        """Nearest integers of real `values` (half rounds up), saturated to the format.

        Raises:
            FormatError: a value is NaN or infinite.
        """
        real = np.asarray(values, np.float64)
        if not np.all(np.isfinite(real)):
            count = int(np.sum(~np.isfinite(real)))
            raise FormatError("quantize", f"{count} values are NaN or infinite", "finite values")
        scaled = np.floor(np.ldexp(real, self.frac) + 0.5)
        return np.clip(scaled, self.lo, self.hi).astype(np.int64)

    def dequantize(self, integers: Ints) -> Floats:
        """Real values of `integers`."""
        return np.ldexp(np.asarray(integers, np.float64), -self.frac)

    def __str__(self) -> str:
        return f"{'s' if self.signed else 'u'}{self.width}.{self.frac}"


def round_shift(values: Ints, shift: npt.ArrayLike) -> Ints:
    """`values * 2**-shift` with halves rounded up: add half, arithmetic shift right.

    Args:
        values: integers, any shape.
        shift: bits; an int, or an array that broadcasts against `values`. Negative shifts left.
    """
    amount = np.asarray(shift, np.int64)
    right, left = np.maximum(amount, 0), np.maximum(-amount, 0)
    half = np.where(right > 0, np.int64(1) << np.maximum(right - 1, 0), 0)
    return ((np.asarray(values, np.int64) << left) + half) >> right


def requantize(values: Ints, shift: npt.ArrayLike, to: Fixed) -> Ints:
    """Round `values * 2**-shift` half up and saturate to `to`: `ap_fixed<.., AP_RND, AP_SAT>`."""
    return np.clip(round_shift(values, shift), to.lo, to.hi)


def enclosing(lo: int, hi: int, frac: int) -> Fixed:
    """Narrowest format with `frac` that holds every integer in [lo, hi]; unsigned when lo >= 0."""
    if lo > hi:
        raise FormatError("enclosing", f"empty range [{lo}, {hi}]", "lo <= hi")
    if lo >= 0:
        return Fixed(max(1, hi.bit_length()), frac, signed=False)
    return Fixed(1 + max((-lo - 1).bit_length(), max(hi, 0).bit_length()), frac)


def product_range(x: Fixed, w: Fixed) -> tuple[int, int]:
    """Least and greatest integer product of one element of `x` and one of `w`."""
    corners = [a * b for a in (x.lo, x.hi) for b in (w.lo, w.hi)]
    return min(corners), max(corners)


def accumulator(x: Fixed, w: Fixed, terms: int) -> Fixed:
    """Narrowest signed format that holds any sum of `terms` products of `x` and `w` exactly."""
    lo, hi = product_range(x, w)
    # Signed whatever the operands are: an adder tree in hardware then has one shape.
    return enclosing(min(terms * lo, -1), terms * hi, x.frac + w.frac)


def on_grid(values: npt.ArrayLike, width: int, signed: bool = True) -> Fixed | None:
    """The coarsest format of `width` bits on which every value lies exactly, or None."""
    real = np.asarray(values, np.float64)
    peak = float(np.max(np.abs(real), initial=0.0))
    if peak == 0.0:
        return Fixed(width, 0, signed)
    # The largest value's exponent bounds frac: beyond it the value no longer fits the width.
    top = width - int(np.floor(np.log2(peak)))
    for frac in range(top - width - 1, top + 1):
        scaled = np.ldexp(real, frac)
        fmt = Fixed(width, frac, signed)
        if np.all(scaled == np.rint(scaled)) and scaled.min() >= fmt.lo and scaled.max() <= fmt.hi:
            return fmt
    return None


def as_json(fmt: Fixed) -> dict[str, Any]:
    """Plain dictionary of a format, for files."""
    return {"width": fmt.width, "frac": fmt.frac, "signed": fmt.signed}


def as_integers(*formats: Fixed) -> list[int]:
    """Width, frac and sign of each format in one list, for calls in traced graphs and for checkpoints."""
    return [int(n) for f in formats for n in (f.width, f.frac, f.signed)]


def from_integers(numbers: Sequence[int]) -> list[Fixed]:
    """Inverse of `as_integers`."""
    return [Fixed(w, f, bool(s)) for w, f, s in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True)]
