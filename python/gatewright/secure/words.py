# SPDX-License-Identifier: Apache-2.0
"""Shares as words: rings of 2**m inside words of 32 or 64 bits, and how they travel.

A word may hold garbage above its ring's m bits: sums and products modulo 2**W are right modulo 2**m. Garbage is
cut off where it matters: in messages, before a right shift, before a comparison.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import LinkError, RingError
from gatewright.fixed import Ints

Words = npt.NDArray[Any]
"""Unsigned words, uint32 or uint64."""
Planes = npt.NDArray[Any]
"""Bits, eight elements to a byte along the last axis, the first in bit 0."""

WORDS = (32, 64)


def word_type(word: int) -> np.dtype[Any]:
    """NumPy type of a word of `word` bits.

    Raises:
        RingError: not 32 or 64.
    """
    if word not in WORDS:
        raise RingError("word", f"{word} bits", "32 or 64")
    return np.dtype(f"<u{word // 8}")


def reduced(words: Words, bits: int) -> Words:
    """`words` modulo 2**bits."""
    if bits >= words.dtype.itemsize * 8:
        return words
    return words & words.dtype.type((1 << bits) - 1)


def signed(words: Words, bits: int) -> Ints:
    """The integers of least magnitude, -2**(bits - 1) and up, that are `words` modulo 2**bits."""
    free = 64 - bits
    return (words.astype(np.uint64) << np.uint64(free)).view(np.int64) >> np.int64(free)


def to_words(values: npt.ArrayLike, word: int) -> Words:
    """Integers as words; negative ones modulo 2**word."""
    return np.asarray(values, np.int64).astype(word_type(word))


def signed_bits(low: int, high: int) -> int:
    """Bits of the narrowest two's complement that holds `low` and `high`."""
    return 1 + max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0)


def packed_size(count: int, bits: int) -> int:
    """Bytes of `count` elements of `bits` bits: each takes whole bytes, so that packing is one copy."""
    return count * ((bits + 7) // 8)


def pack(words: Words, bits: int) -> bytes:
    """`words` modulo 2**bits, little-endian, each in the fewest whole bytes."""
    flat = np.ascontiguousarray(reduced(words, bits))
    return flat.view(np.uint8).reshape(-1, words.dtype.itemsize)[:, : (bits + 7) // 8].tobytes()


def unpack(payload: bytes | memoryview, shape: tuple[int, ...], bits: int, word: int) -> Words:
    """Inverse of `pack`.

    Raises:
        LinkError: the payload has another size.
    """
    count, size = int(np.prod(shape)), (bits + 7) // 8
    if len(payload) != count * size:
        raise LinkError("message", f"{len(payload)} bytes", f"{count * size} bytes for {count} elements")
    wide = np.zeros((count, word // 8), np.uint8)
    wide[:, :size] = np.frombuffer(payload, np.uint8).reshape(count, size)
    return reduced(wide.view(word_type(word)).reshape(shape), bits)


def dense_size(count: int, bits: int) -> int:
    """Bytes of `count` elements at exactly `bits` bits, in groups of eight."""
    return -(-count // 8) * bits


def pack_dense(words: Words, bits: int) -> bytes:
    """`words` modulo 2**bits without gaps: eight elements fill `bits` bytes, the first in the lowest bits."""
    flat = reduced(words.reshape(-1), bits).astype(np.uint64)
    groups = np.zeros((-(-len(flat) // 8), 8), np.uint64)
    groups.reshape(-1)[: len(flat)] = flat
    out = np.zeros((len(groups), bits + 9), np.uint8)
    for k in range(8):
        byte, shift = divmod(k * bits, 8)
        low = np.ascontiguousarray(groups[:, k] << np.uint64(shift)).view(np.uint8).reshape(-1, 8)
        out[:, byte : byte + 8] |= low[:, : out.shape[1] - byte]
        if shift + bits > 64:
            out[:, byte + 8] |= (groups[:, k] >> np.uint64(64 - shift)).astype(np.uint8)
    return out[:, :bits].tobytes()


def unpack_dense(payload: bytes | memoryview, count: int, bits: int, word: int) -> Words:
    """Inverse of `pack_dense`: [count] words.

    Raises:
        LinkError: the payload has another size.
    """
    if len(payload) != dense_size(count, bits):
        raise LinkError("message", f"{len(payload)} bytes", f"{dense_size(count, bits)} bytes for {count} elements")
    rows = np.frombuffer(payload, np.uint8).reshape(-1, bits)
    padded = np.zeros((len(rows), bits + 9), np.uint8)
    padded[:, :bits] = rows
    out = np.empty((len(rows), 8), np.uint64)
    for k in range(8):
        byte, shift = divmod(k * bits, 8)
        out[:, k] = np.ascontiguousarray(padded[:, byte : byte + 8]).view("<u8")[:, 0] >> np.uint64(shift)
        if shift + bits > 64:
            out[:, k] |= padded[:, byte + 8].astype(np.uint64) << np.uint64(64 - shift)
    return reduced(out.reshape(-1)[:count], bits).astype(word_type(word))


def to_planes(words: Words, bits: int) -> Planes:
    """[queries, elements] words to their lowest `bits` bits: [queries, bits, bytes]."""
    count, elements = words.shape
    used = np.ascontiguousarray(words).view(np.uint8).reshape(count, elements, -1)[..., : (bits + 7) // 8]
    apart = np.unpackbits(used, axis=-1, bitorder="little")[..., :bits]
    return np.packbits(apart.transpose(0, 2, 1), axis=-1, bitorder="little")


def to_plane(bits: npt.NDArray[np.bool_]) -> Planes:
    """[.., elements] truth values to [.., bytes]."""
    return np.packbits(bits, axis=-1, bitorder="little")


def from_plane(plane: Planes, elements: int, word: int) -> Words:
    """[.., bytes] to [.., elements] words 0 or 1."""
    return np.unpackbits(plane, axis=-1, count=elements, bitorder="little").astype(word_type(word))
