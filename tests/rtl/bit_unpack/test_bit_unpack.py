# SPDX-License-Identifier: Apache-2.0
"""Bench of bit_unpack: what bit_pack made comes back; a beat never waits for the next word."""

import random

import pytest
from rtl.bit_pack.test_bit_pack import packed
from rtl.plan_bench import beats, check_streams


@pytest.mark.parametrize(("width", "lanes", "count", "size"), [(41, 4, 3, 8), (13, 3, 1, 4)])
def test_bit_unpack(width: int, lanes: int, count: int, size: int) -> None:
    rng = random.Random(width)
    messages = [[rng.getrandbits(width) for _ in range(count * lanes)] for _ in range(8)]
    check_streams(
        "bit_unpack",
        {"Width": width, "Lanes": lanes, "Beats": count, "InBytes": size},
        {"s": [packed(m, width, size) for m in messages]},
        {"m": [beats(m, lanes, width) for m in messages]},
    )
