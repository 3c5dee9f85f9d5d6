# SPDX-License-Identifier: Apache-2.0
"""Codebooks: weights of which few vectors differ are stored as indices (Cho et al., DKM, arXiv 2108.12659).

A codebook has [entries, d] integers. Every d neighbouring output channels of a group have, at each of their inputs, one
of its entries as weights; so b = ceil(log2(entries)) bits say what d weights are. Outputs, because their order is the
same in every folding, and in convolutions too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import GraphError
from gatewright.fixed import Ints
from gatewright.graph import Cost, Folding
from gatewright.ops._memory_cost import CHAIN_SKID, store, weigh

Array = npt.NDArray[Any]

MOST_BITS = 8
"""Bits of the longest index: a larger table in look-up tables would cost more than it saves."""
LENGTHS = (8, 4, 2, 1)
"""Values of d that `find` tries."""
SHALLOW, DEEP = 32, 64
"""Words of distributed memories: eight look-up tables hold 14 bits of 32 words, or 7 of 64."""


def vectors(weight: Array, length: int) -> Array:
    """[groups, outs, ins] -> [groups, outs / length, ins, length]."""
    groups, outs, ins = weight.shape
    return weight.reshape(groups, outs // length, length, ins).transpose(0, 1, 3, 2)


def index_bits(entries: int) -> int:
    """Bits of an index."""
    return max(1, (entries - 1).bit_length())


def indices(weight: Ints, codebook: Ints) -> Ints:
    """Which entry each vector is.

    Args:
        weight: [groups, outs, ins].
        codebook: [entries, d].

    Returns:
        [groups, outs / d, ins].

    Raises:
        GraphError: the codebook is no table, d does not divide outs, or a vector is not in it.
    """
    if codebook.ndim != 2 or not 1 <= len(codebook) <= 1 << MOST_BITS:
        raise GraphError("codebook", f"shape {codebook.shape}", f"[entries, d], at most {1 << MOST_BITS} entries")
    length = codebook.shape[1]
    if not length or weight.shape[1] % length:
        raise GraphError("codebook", f"vectors of {length} on {weight.shape[1]} outputs of a group", "a divisor")
    shape = vectors(weight, length)
    distinct, which = np.unique(shape.reshape(-1, length), axis=0, return_inverse=True)
    known = {tuple(entry): k for k, entry in reversed(list(enumerate(codebook.tolist())))}
    missing = next((v for v in distinct.tolist() if tuple(v) not in known), None)
    if missing is not None:
        raise GraphError("codebook", f"weights {missing} are not in it", f"one of its {len(codebook)} entries")
    code = np.array([known[tuple(v)] for v in distinct.tolist()], np.int64)
    return code[which.reshape(-1)].reshape(shape.shape[:3])


def find(weight: Array, width: int) -> Array | None:
    """The codebook that needs the fewest bits for these weights, table included; None if they need no more as they are.

    Args:
        weight: [groups, outs, ins] integers, or real weights.
        width: bits of a weight.
    """
    best: Array | None = None
    bits = weight.size * width
    for length in LENGTHS:
        if weight.shape[1] % length:
            continue
        found = distinct(vectors(weight, length).reshape(-1, length))
        if found is None:
            continue
        need = weight.size // length * index_bits(len(found)) + len(found) * length * width
        if need < bits:
            best, bits = found, need
    return best


def distinct(rows: Array) -> Array | None:
    """The different rows in order, or None if they are more than a codebook can hold."""
    # A sample soon tells for most weights; only what is clustered is sorted as a whole.
    most = 1 << MOST_BITS
    if len(rows) > 4 * most and len(np.unique(rows[: 4 * most], axis=0)) > most:
        return None
    found = np.unique(rows, axis=0)
    return found if len(found) <= most else None


def tied(codebooks: Sequence[Ints | None]) -> list[Ints | None]:
    """The codebooks, each with as many entries as the largest; all None unless entries are of equal length in all."""
    given = [c for c in codebooks if c is not None]
    if len(given) < len(codebooks) or len({c.shape[1] for c in given}) != 1:
        return [None] * len(codebooks)
    entries = max(len(c) for c in given)
    return [np.concatenate([c, np.repeat(c[-1:], entries - len(c), axis=0)]) for c in given]


def sample(rng: np.random.Generator, found: dict[str, Any], groups: int) -> dict[str, Any]:
    """Sometimes other weights, from a random codebook; for fuzzing.

    Args:
        found: keyword arguments of an operator, with `weight` [out, ...] and `weight_width`.
        groups: of the operator.
    """
    if rng.random() < 0.7:
        return found
    outs, *rest = found["weight"].shape
    length = int(rng.choice([d for d in (1, 2, 3, 4) if outs // groups % d == 0]))
    top = 1 << (found["weight_width"] - 1)
    codebook = rng.integers(-top, top, (int(rng.integers(1, 18)), length), dtype=np.int64)
    # [out / length, ..., length] -> [out, ...]
    weight = np.moveaxis(codebook[rng.integers(0, len(codebook), (outs // length, *rest))], -1, 1)
    return found | {"weight": weight.reshape(outs, *rest), "codebook": codebook, "coded": bool(rng.random() < 0.5)}


def look_up_cost(
    simd: int, pe: int, width: int, length: int, bits: int, pairs: bool, input_bits: int, banks: int
) -> Cost:
    """Resources of `codebook.sv`: a table per vector of a beat, the borrow of pairs, a register stage.

    Args:
        simd, pe: inputs and outputs of a beat.
        width, length: bits of a weight; weights of an entry.
        bits: of an index.
        pairs: outputs share multipliers, see matrix.sv.
        input_bits: of the inputs that travel along.
        banks: tables.
    """
    words, lanes, entry = banks << bits, simd * pe, length * width
    blocks = ceil(words / DEEP)
    # Beyond one block, a multiplexer chooses among them.
    port = 8 * ceil(entry / 14) if words <= SHALLOW else 8 * ceil(entry / 7) * blocks + entry * (blocks > 1)
    table = lanes // length * port
    borrow = lanes // 2 * (width + 1) if pairs else 0
    stored = lanes // 2 * (2 * width + 1) if pairs else lanes * width
    return CHAIN_SKID + Cost(lut=table + borrow + 20, ff=stored + input_bits + 40)


def pays(plain: int, coded: int, rows: int, table: Cost, folding: Folding) -> bool:
    """Whether memory saved is worth more than the look-up, each resource weighed by how many a device has.

    Args:
        plain, coded: bits of a row of weights, and of one of indices.
        rows: of the store.
        table: what the look-up costs.
    """
    return weigh(store(coded, rows, folding) + table) < weigh(store(plain, rows, folding))
