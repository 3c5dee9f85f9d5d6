# SPDX-License-Identifier: Apache-2.0
"""Division by a count as multiplication: `1 / n` is `R * 2**-m` with an integer R."""

from __future__ import annotations

PRECISION = 16
"""Bits of a reciprocal behind its leading one. With it R of the largest count has 17 bits and its error is
at most `2**-(m + 1)`, so a mean of n values is off by at most `n * max|x| * 2**-(m + 1)` before rounding."""


def fraction_bits(most: int) -> int:
    """m for counts up to `most`."""
    return PRECISION + (most - 1).bit_length()


def reciprocal(count: int, fraction: int) -> int:
    """`round(2**fraction / count)`, half up."""
    return ((2 << fraction) // count + 1) >> 1


def divider(count: int) -> tuple[int, int]:
    """(R, m) for one fixed count; (1, log2 count) when that is exact."""
    if count & (count - 1) == 0:
        return 1, count.bit_length() - 1
    return reciprocal(count, fraction_bits(count)), fraction_bits(count)
