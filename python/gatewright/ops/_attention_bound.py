# SPDX-License-Identifier: Apache-2.0
"""Top-k attention in real numbers, and how far its integer meaning may be from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gatewright.fixed import Floats, Ints
from gatewright.graph import Reference
from gatewright.ops import _softmax as softmax
from gatewright.ops._selector import blocks, by_head, choose, code


@dataclass(frozen=True)
class AttentionBound:
    """All [n, D].

    Attributes:
        ideal: float attention at the golden inputs.
        own: what integer exponential, scale and reciprocal change.
        spread: how far float attention moves when its inputs move by their errors.
    """

    ideal: Floats
    own: Floats
    spread: Floats


@dataclass(frozen=True)
class Rows:
    """Some queries of one head: chosen keys, octaves below the maximum, weights, result."""

    index: Ints
    octaves: Floats
    weight: Floats
    total: Floats
    result: Floats


def _rows(q: Floats, k: Floats, v: Floats, index: Ints, kept: npt.NDArray[np.bool_], scale: float) -> Rows:
    scores = np.take_along_axis(q @ k.T, index, 1) * (scale * np.log2(np.e))
    peak = np.where(kept, scores, -np.inf).max(axis=1, keepdims=True)
    octaves = np.where(kept, peak - scores, np.inf)
    power = 2.0**-octaves
    total = power.sum(axis=1, keepdims=True)
    weight = power / total
    spread = np.zeros((len(q), len(k)))
    np.put_along_axis(spread, index, weight, 1)
    return Rows(index, octaves, weight, total, spread @ v)


def attention_real(
    heads: int, top: int, bits: int, causal: bool, inputs: Sequence[Floats], reference: Reference
) -> Floats:
    """The float operator on [n, D] queries, keys and values."""
    nothing = np.zeros_like(inputs[0])
    return attention_bound(heads, top, bits, causal, [(x, nothing) for x in inputs], reference, bounds=False).ideal


def attention_bound(
    heads: int,
    top: int,
    bits: int,
    causal: bool,
    inputs: Sequence[tuple[Floats, Floats]],
    reference: Reference,
    bounds: bool = True,
) -> AttentionBound:
    """Float attention at the golden inputs and, with `bounds`, the two parts of the error.

    Args:
        inputs: (golden real values, bound of their error) of q, k and v.
        reference: with `scale`, `q_thresholds` and `k_thresholds`.
    """
    (q, of_q), (k, of_k), (v, of_v) = ((by_head(x, heads), by_head(e, heads)) for x, e in inputs)
    limits = [reference.constants[n] for n in ("q_thresholds", "k_thresholds")]
    codes = [code(x, t, bits) for x, t in zip((q, k), limits, strict=True)]
    doubt = [_doubtful(x, e, t, top >= q.shape[1]) for x, e, t in zip((q, k), (of_q, of_k), limits, strict=True)]
    scale = float(reference.constants["scale"])
    relative = float(reference.errors["scale"]) / scale
    parts = [np.zeros_like(v) for _ in range(3)]
    for h in range(heads):
        for rows in blocks(q.shape[1], k.shape[1]):
            index, kept = choose(codes[0][h, rows], codes[1][h], rows.start, top, causal)
            found = _rows(q[h, rows], k[h], v[h], index, kept, scale)
            parts[0][h, rows] = found.result
            if not bounds:
                continue
            parts[1][h, rows] = own_error(found, v[h], relative)
            if any(e[h].any() for e in (of_q, of_k, of_v)):
                moved = np.abs(q[h, rows]) @ of_k[h].T + of_q[h, rows] @ (np.abs(k[h]) + of_k[h]).T
                sure = moved_error(found, v[h], of_v[h], scale * np.take_along_axis(moved, index, 1), kept)
                unsure = range_error(found.result, v[h], of_v[h], rows, causal)
                open_ = doubt[0][h, rows] | _any_allowed(doubt[1][h], rows, causal)
                parts[2][h, rows] = np.where(open_[:, None], unsure, np.minimum(sure, unsure))
    return AttentionBound(*(p.transpose(1, 0, 2).reshape(inputs[0][0].shape) for p in parts))


def _doubtful(x: Floats, error: Floats, thresholds: Floats, dense: bool) -> npt.NDArray[np.bool_]:
    """[heads, n] tokens of which a code may be another one when x moves by its error."""
    if dense:
        return np.zeros(x.shape[:2], bool)
    size = np.abs(x)
    inside = np.searchsorted(thresholds, size - error, "right") == np.searchsorted(thresholds, size + error, "right")
    sign = (x - error < 0) == (x + error < 0)
    return np.any(~(inside & sign) & (error > 0), axis=2)


def _any_allowed(doubt: npt.NDArray[np.bool_], rows: slice, causal: bool) -> npt.NDArray[np.bool_]:
    """For some queries, whether any key that they may see is in doubt."""
    if causal:
        return np.asarray(np.logical_or.accumulate(doubt)[rows])
    return np.full(rows.stop - rows.start, bool(doubt.any()))


def _deviation(found: Rows, amount: Floats, v: Floats) -> Floats:
    """[m, d] sum over the chosen keys of amount * |v - result|."""
    result = np.empty_like(found.result)
    for row, (index, weight) in enumerate(zip(found.index, amount, strict=True)):
        result[row] = weight @ np.abs(v[index] - found.result[row])
    return result


def own_error(found: Rows, v: Floats, relative: float) -> Floats:
    """What integer weights change.

    With a_j the integer weights over 2**16 and E_j the ideal ones, and y the ideal result,
    sum(a_j v_j) / sum(a_j) - y = sum((a_j - E_j) (v_j - y)) / sum(a_j). The reciprocal then errs relatively.
    """
    change = np.where(np.isfinite(found.octaves), softmax.exp_bound(found.octaves, relative), 0.0)
    least = np.maximum(1.0, found.total - change.sum(axis=1, keepdims=True))
    moved = _deviation(found, change / least, v)
    return moved + softmax.RECIPROCAL_RELATIVE * (np.abs(found.result) + moved)


def moved_error(found: Rows, v: Floats, of_v: Floats, moved: Floats, kept: npt.NDArray[np.bool_]) -> Floats:
    """The chosen keys stay: no weight changes by more than the factor exp(2 * largest move of a score)."""
    largest = np.where(kept, moved, 0.0).max(axis=1, keepdims=True)
    factor = np.expm1(np.minimum(2 * largest, 80.0))
    values = np.stack([of_v[i].max(axis=0) for i in found.index])
    return values + _deviation(found, factor * found.weight, v)


def range_error(result: Floats, v: Floats, of_v: Floats, rows: slice, causal: bool) -> Floats:
    """Whatever is chosen, the result lies between the least and the greatest value that the query may see."""
    low, high = v - of_v, v + of_v
    if causal:
        return np.maximum(np.maximum.accumulate(high)[rows] - result, result - np.minimum.accumulate(low)[rows])
    return np.maximum(high.max(axis=0) - result, result - low.min(axis=0))
