# SPDX-License-Identifier: Apache-2.0
"""What the benches of `rtl/attention/` share: packing, bit planes, random vectors with many equal scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gatewright.fixed import Ints
from gatewright.ops._selector import LEVELS, code


def word(fields: Any, width: int) -> int:
    """Fields of `width` bits, the first one lowest, as one integer."""
    return sum((int(v) & (1 << width) - 1) << i * width for i, v in enumerate(np.reshape(fields, -1)))


def signed(value: int, width: int) -> int:
    """The two's complement number behind `width` bits."""
    return value - (value >> width - 1 << width)


def planes(values: Ints, limits: Sequence[int], bits: int) -> int:
    """Bit planes of the codes of a vector, as `low_bit_code` puts them out."""
    codes = code(values, limits, bits).astype(np.int64)
    # The code of one and two bits is a sum of digits +-1 with weights 1 and 2; a set bit stands for -1.
    found = (codes & (1 << bits) - 1) if bits > 2 else ((1 << bits) - 1 - codes) // 2
    return sum(int(c >> b & 1) << b * len(values) + lane for lane, c in enumerate(found) for b in range(bits))


def vectors(rng: np.random.Generator, width: int, shape: tuple[int, ...]) -> Ints:
    """Values of every magnitude; one in eight is an extreme."""
    low, high = -(1 << width - 1), (1 << width - 1) - 1
    found = rng.integers(low, high + 1, shape) >> rng.integers(0, width, shape)
    return np.where(rng.integers(0, 8, shape) == 0, rng.choice([low, high], shape), found)


def thresholds(rng: np.random.Generator, width: int, bits: int) -> list[int]:
    """Rising thresholds for two's complement values of `width` bits; some are out of reach."""
    most = (1 << width - 1) + 1
    drawn = rng.integers(0, most + 1, LEVELS[bits]) >> rng.integers(0, width, LEVELS[bits])
    return [int(t) for t in np.sort(drawn)]
