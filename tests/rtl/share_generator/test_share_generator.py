# SPDX-License-Identifier: Apache-2.0
"""Bench of share_generator: every stream is the keystream of its nonce, query after query, whatever the others do."""

import random

import pytest
from rtl.plan_bench import check_streams, word


def keystream(key: bytes, stream: int, query: int, words: int, bits: int) -> list[int]:
    """The layout of random words: nonce = stream id (4 bytes) and query index (8), all little-endian."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

    nonce = stream.to_bytes(4, "little") + query.to_bytes(8, "little")
    raw = Cipher(algorithms.ChaCha20(key, bytes(4) + nonce), None).encryptor().update(bytes(words * bits // 8))
    return [int.from_bytes(raw[i : i + bits // 8], "little") for i in range(0, len(raw), bits // 8)]


@pytest.mark.parametrize(
    ("bits", "streams", "quarters"), [(64, {8: 3, 25: 8, 26: 21}, 4), (32, {9: 33}, 2)], ids=["three", "one"]
)
def test_share_generator(bits: int, streams: dict[int, int], quarters: int) -> None:
    rng = random.Random(bits)
    key, first, queries = rng.randbytes(32), (1 << 32) - 2, 4
    ids, counts = list(streams), list(streams.values())
    outputs = {
        f"m[{i}/{len(ids)}]": [keystream(key, ids[i], first + q, counts[i], bits) for q in range(queries)]
        for i in range(len(ids))
    }
    session = key + first.to_bytes(8, "little")
    check_streams(
        "share_generator",
        {
            "Streams": len(ids),
            "Word": bits,
            "Quarters": quarters,
            "Ids": f"{32 * len(ids)}'h{word(ids, 32):x}",
            "Counts": f"{32 * len(ids)}'h{word(counts, 32):x}",
        },
        {},
        outputs,
        loads={"k": [int.from_bytes(session[i : i + 4], "little") for i in range(0, 40, 4)]},
        endless=True,
    )
