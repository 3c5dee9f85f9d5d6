# SPDX-License-Identifier: Apache-2.0
"""Words, packing, random words, and exact products in float64."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.errors import LinkError, RingError
from gatewright.ops._window import image_window
from gatewright.secure.geometry import Geometry
from gatewright.secure.multiply import Operand
from gatewright.secure.stream import keystream, random_words
from gatewright.secure.words import (
    dense_size,
    from_plane,
    pack,
    pack_dense,
    packed_size,
    reduced,
    signed,
    signed_bits,
    to_planes,
    to_words,
    unpack,
    unpack_dense,
    word_type,
)


@pytest.mark.parametrize("word", [32, 64])
def test_packing_keeps_every_number_of_bits(word):
    rng = np.random.default_rng(1)
    for bits in range(1, word + 1):
        for count in (1, 7, 8, 21):
            values = rng.integers(0, 2**word, count, np.uint64).astype(word_type(word))
            payload = pack(values, bits)
            assert len(payload) == packed_size(count, bits) == count * -(-bits // 8)
            assert np.array_equal(unpack(payload, (count,), bits, word), reduced(values, bits))
            dense = pack_dense(values, bits)
            assert len(dense) == dense_size(count, bits) == -(-count // 8) * bits
            assert np.array_equal(unpack_dense(dense, count, bits, word), reduced(values, bits))


def test_dense_packing_is_little_endian_without_gaps():
    number = int.from_bytes(pack_dense(np.arange(8, dtype=np.uint64), 11), "little")
    assert [(number >> (11 * k)) & 0x7FF for k in range(8)] == list(range(8))


def test_wrong_sizes_are_refused():
    with pytest.raises(LinkError, match="3 bytes"):
        unpack(b"abc", (2,), 9, 64)
    with pytest.raises(LinkError, match="3 bytes"):
        unpack_dense(b"abc", 8, 2, 64)
    with pytest.raises(RingError, match="48 bits"):
        word_type(48)


def test_planes_are_bits():
    values = np.random.default_rng(2).integers(0, 2**13, (3, 21), np.uint64)
    planes = to_planes(values, 13)
    assert planes.shape == (3, 13, 3)
    again = sum(from_plane(planes[:, k], 21, 64) << np.uint64(k) for k in range(13))
    assert np.array_equal(again, values)


@given(st.integers(-(2**40), 2**40), st.integers(-(2**40), 2**40))
def test_signed_bits_hold_both_ends_and_no_more(a, b):
    low, high = min(a, b), max(a, b)
    bits = signed_bits(low, high)
    values = np.array([low, high])
    assert np.array_equal(signed(to_words(values, 64), bits), values)
    assert bits == 1 or not np.array_equal(signed(to_words(values, 64), bits - 1), values)


def test_chacha20_of_rfc_8439():
    # Section 2.4.2: its counter starts at 1, so the first block is skipped; the nonce's words are stream and query.
    key, nonce = bytes(range(32)), bytes.fromhex("000000000000004a00000000")
    stream, query = int.from_bytes(nonce[:4], "little"), int.from_bytes(nonce[4:], "little")
    text = b"Ladies and Gentlemen of the class of '99: If I could offer you "
    text += b"only one tip for the future, sunscreen would be it."
    cipher = bytes.fromhex(
        "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b3571639d624e65152ab"
        "8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab77937365af90bbf74a35be6b40b8eedf2785e42874d"
    )
    pad = keystream(key, stream, query, 64 + len(text))[64:]
    assert bytes(a ^ b for a, b in zip(text, pad, strict=True)) == cipher


def test_random_words_are_the_keystream():
    seed = bytes(range(32))
    stream = keystream(seed, 8 * 5 + 1, 77, 96)
    for word in (32, 64):
        words = random_words(seed, 8 * 5 + 1, 77, (3, 4), word)
        assert words.tobytes() == stream[: 12 * word // 8] and words.dtype == word_type(word)
    with pytest.raises(RingError, match="31 bytes"):
        keystream(bytes(31), 0, 0, 1)


def exact(geometry, x, matrix, bits):
    """The product in Python's integers."""
    patches = geometry.patches(x.astype(object))
    sums = np.stack([p.dot(m.astype(object)) for p, m in zip(patches, matrix, strict=True)])
    return geometry.gathered(sums, len(x)) % 2**bits


GEOMETRIES = [
    Geometry(2, 37, 5),
    Geometry(1, 12, 6, groups=3),
    Geometry(20, 2, 3, window=image_window((3, 2), (2, 1), (1, 0), (1, 1), 4, 5)),
    Geometry(12, 4, 8, groups=4, window=image_window((2, 2), (1, 1), (0, 1), (1, 2), 3, 4)),
]


@pytest.mark.parametrize("word", [32, 64])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@settings(max_examples=25, deadline=None)
@given(bits=st.integers(1, 64), width=st.integers(1, 40), extreme=st.booleans(), seed=st.integers(0, 2**32))
def test_float_products_are_exact(geometry, word, bits, width, extreme, seed):
    bits, rng = min(bits, word), np.random.default_rng(seed)
    shape = (2, geometry.tokens, geometry.inputs)
    top = np.uint64(2**bits - 1)
    x = np.full(shape, top) if extreme else rng.integers(0, top, shape, np.uint64, endpoint=True)
    kind = word_type(word)
    weight = rng.integers(-(2**width), 2**width, geometry.weight_shape, endpoint=True)
    weight = np.full_like(weight, -(2**width)) if extreme else weight
    found = Operand.of(weight, bits, word).apply(geometry, x.astype(kind))
    assert np.array_equal(reduced(found, bits).astype(object), exact(geometry, x, weight, bits))
    words = np.full(geometry.weight_shape, top) if extreme else rng.integers(0, top, geometry.weight_shape, np.uint64)
    found = Operand.of(words.astype(kind), bits, word).apply(geometry, x.astype(kind))
    assert np.array_equal(reduced(found, bits).astype(object), exact(geometry, x, words, bits))


def test_long_sums_stay_exact():
    geometry = Geometry(1, 5000, 1)
    for bits in (24, 41, 52, 64):
        x = np.full((1, 1, 5000), 2**bits - 1, np.uint64)
        matrix = np.full((1, 5000, 1), 2**bits - 1, np.uint64)
        found = Operand.of(matrix, bits, 64).apply(geometry, x)
        assert int(reduced(found, bits)[0, 0, 0]) == 5000 * (2**bits - 1) ** 2 % 2**bits
