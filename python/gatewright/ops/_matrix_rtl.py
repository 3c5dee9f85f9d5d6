# SPDX-License-Identifier: Apache-2.0
"""How `linear.sv` is spelled for a matrix: parameters, and the rows of its stores."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Ints
from gatewright.graph import Folding
from gatewright.ops._codebook import index_bits
from gatewright.ops._matrix import Bits, Matrix, bits, chunks, words


def spell(folding: Folding, banks: Sequence[Matrix]) -> tuple[dict[str, int], tuple[Ints, ...]]:
    """SystemVerilog parameters of `linear` for matrices that share one unit, and the rows of its stores.

    Raises:
        GraphError: the folding does not divide them, or they need different units.
    """
    first = banks[0]
    first.check(folding)
    for k, one in enumerate(banks[1:], 1):
        if coding(one, folding) != coding(first, folding):
            raise GraphError("matrix.codebook", f"another one in iteration {k}", "codebooks of equal shape, or none")
    parameters, offsets = unit(folding, banks)
    parameters |= coding(first, folding)
    memory = [np.concatenate([rows(m, folding) for m in banks])]
    if first.coding(folding):
        memory.append(np.concatenate([table(m) for m in banks]))
    return parameters, (*memory, *([] if parameters["Plain"] else [offsets]))


def unit(folding: Folding, banks: Sequence[Matrix]) -> tuple[dict[str, int], Ints]:
    """Parameters of multipliers and rescaling that the banks share, and the rows of the store of offsets.

    Raises:
        GraphError: the banks need different units.
    """
    first, plain = banks[0], all(m.plain for m in banks)
    for k, one in enumerate(banks[1:], 1):
        for name in ("weight.shape", "weight_width", "x.width", "x.signed", "output.width", "output.signed"):
            ours, theirs = (attrgetter(name)(m) for m in (first, one))
            if ours != theirs:
                raise GraphError(f"matrix.{name}", f"{theirs} in iteration {k}, {ours} in iteration 0", "equal ones")
    offset_width = max(m.offset_width for m in banks)
    shift_min = min(m.shift_min for m in banks)
    shift_bits = (max(int(m.shift.max()) for m in banks) - shift_min).bit_length()
    parameters = {
        "In": first.ins,
        "Out": first.outs,
        "Groups": first.groups,
        "Simd": folding.simd,
        "Pe": folding.pe,
        "Tokens": folding.tokens,
        "InWidth": first.x.width,
        "InSigned": int(first.x.signed),
        "WeightWidth": first.weight_width,
        "Pair": int(first.pairs(folding)),
        "Port": folding.port if first.pairs(folding) else 27,
        "AccWidth": first.accumulator.width,
        "Plain": int(plain),
        "OffsetWidth": offset_width,
        "ShiftMin": shift_min,
        "ShiftBits": shift_bits,
        "OutWidth": first.output.width,
        "OutSigned": int(first.output.signed),
        "Banks": len(banks),
        "Ultra": int(folding.ultra),
    }
    if first.fabric:
        parameters["Fabric"] = 1
    fields = [m.offset & ((1 << offset_width) - 1) | (m.shift - shift_min) << offset_width for m in banks]
    return parameters, chunks(np.concatenate(fields).reshape(-1, folding.pe), offset_width + shift_bits)


def coding(matrix: Matrix, folding: Folding) -> dict[str, int]:
    """Parameters of the codebook; none where weights are stored themselves."""
    if not matrix.coding(folding):
        return {}
    assert matrix.codebook is not None
    entries, length = matrix.codebook.shape
    return {"CodeBits": index_bits(entries), "CodeLength": length}


def rows(matrix: Matrix, folding: Folding) -> Ints:
    """[rows, words] of the weight store: each row holds PE * SIMD weights, element `p * SIMD + s`.

    When pairs share a multiplier, outputs 2q (low) and 2q+1 (high) are stored as `{high - (low < 0), low}`, so
    that the packed operand is wiring: the borrow of a negative low half is paid here and not in fabric.

    With a codebook a row holds PE / d * SIMD indices: element `q * SIMD + s` is for outputs q * d to q * d + d - 1.
    """
    if matrix.coding(folding):
        assert matrix.codebook is not None
        entries, length = matrix.codebook.shape
        found = _folded(matrix.codes, folding.pe // length, folding.simd)
        return chunks(found.reshape(len(found), -1), index_bits(entries))
    return words(fields(matrix, folding, _folded(matrix.weight, folding.pe, folding.simd)))


def fields(matrix: Matrix, folding: Folding, found: Ints) -> Bits:
    """[rows, bits] of [rows, pe, simd] weights as the hardware multiplies them, see `rows`."""
    count, width = len(found), matrix.weight_width
    if not matrix.pairs(folding):
        return bits(found.reshape(count, -1), width)
    low, high = found[:, 0::2], found[:, 1::2]
    high = (high - (low < 0)) & ((1 << (width + 1)) - 1)
    return bits((low & ((1 << width) - 1) | high << width).reshape(count, -1), 2 * width + 1)


def _folded(weight: Ints, pe: int, simd: int) -> Ints:
    """[groups, outs, ins] -> [rows, pe, simd] in the order of use."""
    groups, outs, ins = weight.shape
    found = weight.reshape(groups, outs // pe, pe, ins // simd, simd).transpose(0, 1, 3, 2, 4)
    return found.reshape(-1, pe, simd)


def table(matrix: Matrix) -> Ints:
    """[2**b, words] of the codebook's memory: each row holds the d weights of an entry; unused ones are zero."""
    assert matrix.codebook is not None
    entries = len(matrix.codebook)
    unused = (1 << index_bits(entries)) - entries
    return chunks(np.pad(matrix.codebook, ((0, unused), (0, 0))), matrix.weight_width)
