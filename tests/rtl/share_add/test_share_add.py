# SPDX-License-Identifier: Apache-2.0
"""Bench of share_add: sums and differences modulo 2**Width, lane by lane."""

import random

import pytest
from rtl.plan_bench import check_streams, word

LENGTHS = (1, 2, 1, 1, 9, 30)


@pytest.mark.parametrize(("width", "lanes", "subtract"), [(64, 2, 1), (25, 3, 0)])
def test_share_add(width: int, lanes: int, subtract: int) -> None:
    rng = random.Random(width)
    top, sign = (1 << width) - 1, -1 if subtract else 1
    sides: list[list[list[int]]] = [[], []]
    expected = []
    for length in LENGTHS:
        x, y = (
            [[rng.choice((0, top, rng.getrandbits(width))) for _ in range(lanes)] for _ in range(length)] for _ in "xy"
        )
        sides[0].append([word(beat, width) for beat in x])
        sides[1].append([word(beat, width) for beat in y])
        both = [[a + sign * b for a, b in zip(p, q, strict=True)] for p, q in zip(x, y, strict=True)]
        expected.append([word(beat, width) for beat in both])
    check_streams(
        "share_add",
        {"Width": width, "Lanes": lanes, "Subtract": subtract},
        {"s0": sides[0], "s1": sides[1]},
        {"m": expected},
        pace=("m", 1, 1),
    )
