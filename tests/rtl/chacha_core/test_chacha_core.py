# SPDX-License-Identifier: Apache-2.0
"""Bench of chacha_core: the vectors of RFC 8439, and blocks as the `cryptography` library makes them."""

import random

from rtl.plan_bench import check_streams

RFC_KEY = bytes(range(32))
RFC_NONCE = bytes.fromhex("000000090000004a00000000")
RFC_BLOCK = bytes.fromhex(  # section 2.3.2, counter 1
    "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
    "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
)
ZERO_BLOCK = bytes.fromhex(  # appendix A.1, vector 1: key, nonce and counter zero
    "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
    "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
)


def library(key: bytes, nonce: bytes, counter: int) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

    stream = Cipher(algorithms.ChaCha20(key, counter.to_bytes(4, "little") + nonce), None).encryptor()
    return stream.update(bytes(64))


def run(key: bytes, blocks: list[tuple[bytes, int, bytes]], quarters: int, word: int) -> None:
    """`blocks`: nonce, counter and what must come."""
    size = word // 8
    requests = [[counter | int.from_bytes(nonce, "little") << 32] for nonce, counter, _ in blocks]
    expected = [[int.from_bytes(b[i : i + size], "little") for i in range(0, 64, size)] for *_, b in blocks]
    check_streams(
        "chacha_core",
        {"Quarters": quarters, "Word": word},
        {"s": requests},
        {"m": expected},
        fields={"s": ("data",)},
        pins={"key": int.from_bytes(key, "little")},
        # A cycle to take the request, the rounds, the words.
        pace=("m", 512 // word, 1 + 80 // quarters + 512 // word),
        limit=400 * len(blocks),
    )


def test_chacha_core() -> None:
    """A published vector, and any other nonces and counters."""
    assert library(RFC_KEY, RFC_NONCE, 1) == RFC_BLOCK and library(bytes(32), bytes(12), 0) == ZERO_BLOCK
    rng = random.Random(0)
    others = [(rng.randbytes(12), rng.getrandbits(32)) for _ in range(4)] + [(b"\xff" * 12, 2**32 - 1)]
    blocks = [(RFC_NONCE, 1, RFC_BLOCK), *((n, c, library(RFC_KEY, n, c)) for n, c in others)]
    run(RFC_KEY, blocks, 1, 64)


def test_chacha_core_wide() -> None:
    """The other published vector; a key of zeros."""
    run(bytes(32), [(bytes(12), 0, ZERO_BLOCK)] * 6, 4, 32)
