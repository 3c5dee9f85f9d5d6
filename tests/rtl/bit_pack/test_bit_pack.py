# SPDX-License-Identifier: Apache-2.0
"""Bench of bit_pack: the words of a message are the bytes of its fields, filled up with zeros."""

import random

import pytest
from rtl.plan_bench import beats, check_streams

LENGTHS = (1, 2, 1, 16, 3, 40)


def packed(elements: list[int], width: int, size: int) -> list[int]:
    """Elements in fields of whole bytes, cut into words of `size` bytes."""
    field = -(-width // 8)
    raw = b"".join(v.to_bytes(field, "little") for v in elements)
    return [int.from_bytes(raw[i : i + size], "little") for i in range(0, len(raw), size)]


@pytest.mark.parametrize(("width", "lanes", "size"), [(25, 1, 8), (41, 4, 8)])
def test_bit_pack(width: int, lanes: int, size: int) -> None:
    rng = random.Random(width)
    messages = [[rng.getrandbits(width) for _ in range(n * lanes)] for n in LENGTHS]
    check_streams(
        "bit_pack",
        {"Width": width, "Lanes": lanes, "OutBytes": size},
        {"s": [beats(m, lanes, width) for m in messages]},
        {"m": [packed(m, width, size) for m in messages]},
    )
