# SPDX-License-Identifier: Apache-2.0
"""Exact products of matrices modulo 2**m by floating-point units.

NumPy has no fast integer matrix product. float64 sums are exact while every partial sum is below 2**53: operands are
cut into limbs of so few bits that this holds, whatever the order of summation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.fixed import Floats
from gatewright.secure.geometry import Geometry
from gatewright.secure.words import Words, reduced, to_words

EXACT = 53


@dataclass(frozen=True, eq=False)
class Operand:
    """The right-hand side of products, prepared once.

    Attributes:
        limbs: (left shift, [groups, depth, outputs / groups]) parts that add up to the matrix modulo 2**bits.
        left: bits per limb of the left-hand side.
        bits: ring of the result.
        word: bits of a word.
    """

    limbs: tuple[tuple[int, Floats], ...]
    left: int
    bits: int
    word: int

    @staticmethod
    def of(matrix: npt.NDArray[Any], bits: int, word: int) -> Operand:
        """Prepare a matrix [groups, depth, outputs / groups]: signed integers, or words modulo 2**bits."""
        room = EXACT - max(1, matrix.shape[1] - 1).bit_length()
        if matrix.dtype.kind == "i":
            # Signed and narrow: |w| <= 2**width, as it is when one limb per operand is enough.
            width = int(np.abs(matrix).max(initial=0)).bit_length()
            if bits + width <= room:
                return Operand(((0, matrix.astype(np.float64)),), bits, bits, word)
            if width < bits:
                parts = -(-bits // max(1, room - width))
                if room > width and parts <= 3:
                    return Operand(((0, matrix.astype(np.float64)),), -(-bits // parts), bits, word)
        words = reduced(to_words(matrix, word) if matrix.dtype.kind == "i" else matrix, bits)
        left, right = _cut(bits, room)
        limbs = [(s, reduced(words >> words.dtype.type(s), right).astype(np.float64)) for s in range(0, bits, right)]
        return Operand(tuple(limbs), left, bits, word)

    def apply(self, geometry: Geometry, x: Words) -> Words:
        """Product of [queries, tokens, inputs] words, of which `bits` bits count, with the matrix.

        Returns:
            [queries, positions, outputs] words, right modulo 2**bits.
        """
        total: Words | None = None
        kind = x.dtype
        for shift in range(0, self.bits, self.left):
            part = reduced(x >> kind.type(shift), min(self.left, self.bits - shift))
            # int64 on the way: its conversions are single instructions, those of uint64 are not.
            values = part.astype(np.int64) if kind.itemsize < 8 else part.view(np.int64)
            patches = geometry.patches(values.astype(np.float64))
            for offset, limb in self.limbs:
                if shift + offset >= self.bits:
                    continue
                sums = np.matmul(patches, limb).astype(np.int64).astype(kind)
                if shift + offset:
                    sums <<= kind.type(shift + offset)
                total = sums if total is None else total + sums
        assert total is not None
        return geometry.gathered(total, len(x))


def _cut(bits: int, room: int) -> tuple[int, int]:
    """Bits per limb of both operands of `bits` bits, with the fewest products, each of at most `room` bits."""
    best: tuple[int, int, int] | None = None
    for parts in range(1, bits + 1):
        left = -(-bits // parts)
        right = min(bits, room - left)
        if right < 1:
            continue
        products = sum(1 for a in range(0, bits, left) for b in range(0, bits, right) if a + b < bits)
        if best is None or products < best[0]:
            best = (products, left, right)
    assert best is not None
    return best[1], best[2]
