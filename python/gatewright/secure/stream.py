# SPDX-License-Identifier: Apache-2.0
"""Random words: ChaCha20 of RFC 8439, keyed with a party's secret seed.

The nonce is the stream (u32) and the query (u64), both little-endian; the block counter starts at 0. The stream of a
step is `step * 8 + kind`. The keystream is cut into little-endian words. RTL expands the same words.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from gatewright.errors import MissingExtraError, RingError
from gatewright.secure.words import Words, word_type

SEED_BYTES = 32
KINDS = 8
PER_MODEL = 2**64 - 1
"""The query of what is drawn once per model."""


def fresh_seed() -> bytes:
    """A new secret seed from the operating system."""
    return secrets.token_bytes(SEED_BYTES)


def ciphers() -> Any:
    """The module of ciphers of the package `cryptography`.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        from cryptography.hazmat.primitives import ciphers
    except ImportError:
        raise MissingExtraError("cryptography", "not installed", hint="pip install 'gatewright[secure]'") from None
    return ciphers


def keystream(seed: bytes, stream: int, query: int, size: int) -> bytes:
    """`size` bytes of stream `stream` of query `query`."""
    if len(seed) != SEED_BYTES:
        raise RingError("seed", f"{len(seed)} bytes", f"{SEED_BYTES} bytes")
    kit = ciphers()
    from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20

    nonce = bytes(4) + stream.to_bytes(4, "little") + query.to_bytes(8, "little")
    return kit.Cipher(ChaCha20(seed, nonce), mode=None).encryptor().update(bytes(size))


def random_words(seed: bytes, stream: int, query: int, shape: tuple[int, ...], word: int) -> Words:
    """Words of a stream, from its first on."""
    payload = keystream(seed, stream, query, int(np.prod(shape)) * word // 8)
    return np.frombuffer(payload, word_type(word)).reshape(shape)
