# SPDX-License-Identifier: Apache-2.0
"""Low-bit codes and the choice of the best keys (Peng et al., DAC 2022, section 3.2), for integers and reals alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.fixed import Ints

LEVELS = {1: 0, 2: 1, 3: 3, 4: 7}
"""Selector bits -> number of thresholds on |x|."""
GREATEST = {1: 1, 2: 3, 3: 3, 4: 7}
"""Selector bits -> largest code."""
BLOCK = 1 << 20
"""Scores that are looked at in one go."""

Codes = npt.NDArray[np.float32]


def code(x: npt.NDArray[Any], thresholds: npt.ArrayLike, bits: int) -> Codes:
    """Selector codes of any shape: s, s (1 + 2c) or s c with s the sign and c = #{t <= |x|}."""
    sign = np.where(x < 0, np.float32(-1), np.float32(1))
    if bits == 1:
        return sign
    count = np.searchsorted(np.asarray(thresholds), np.abs(x), side="right").astype(np.float32)
    return sign * (1 + 2 * count) if bits == 2 else sign * count


def by_head(x: npt.NDArray[Any], heads: int) -> npt.NDArray[Any]:
    """[n, heads * d] -> [heads, n, d]; channels are head-major."""
    return np.ascontiguousarray(x.reshape(len(x), heads, -1).transpose(1, 0, 2))


def choose(q: Codes, k: Codes, first: int, top: int, causal: bool) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """The best keys of some queries of one head, in no particular order.

    Args:
        q: [m, d] codes of the queries `first` .. `first + m - 1`.
        k: [n, d] codes of all keys.

    Returns:
        [m, min(top, n)] indices, and which of them are chosen: a causal query may have fewer.
    """
    rows, count = len(q), len(k)
    allowed = np.arange(first, first + rows)[:, None] >= np.arange(count) if causal else None
    if top >= count:
        index = np.broadcast_to(np.arange(count), (rows, count))
        return index, np.ones(index.shape, bool) if allowed is None else allowed
    # Sums of small integers are exact; score * n - index orders by score, then lowest index.
    key = (q @ k.T).astype(np.int64) * count + (count - 1 - np.arange(count))
    if allowed is not None:
        key[~allowed] = np.iinfo(np.int64).min
    index = np.argpartition(key, count - top, axis=1)[:, count - top :]
    kept = np.ones(index.shape, bool) if allowed is None else np.take_along_axis(allowed, index, 1)
    return index, kept


def blocks(queries: int, keys: int) -> Iterator[slice]:
    """Ranges of queries whose scores fit into memory."""
    rows = max(1, BLOCK // keys)
    return (slice(i, min(i + rows, queries)) for i in range(0, queries, rows))
