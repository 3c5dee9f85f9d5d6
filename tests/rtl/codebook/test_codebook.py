# SPDX-License-Identifier: Apache-2.0
"""Bench of codebook: every beat of inputs leaves with the weights that its indices stand for."""

import random

import pytest
from rtl.plan_bench import check_streams

SIMD, PE, WIDTH, LOAD = 3, 4, 5, 32


def entry_word(entry: list[int]) -> int:
    """Weights of an entry, the first one lowest."""
    return sum((w & (1 << WIDTH) - 1) << WIDTH * j for j, w in enumerate(entry))


def weights_word(row: list[list[int]], pair: bool) -> int:
    """[pe][simd] weights as matrix takes them."""
    if not pair:
        return sum((w & (1 << WIDTH) - 1) << WIDTH * (p * SIMD + s) for p, r in enumerate(row) for s, w in enumerate(r))
    total, bits = 0, 2 * WIDTH + 1
    for q in range(PE // 2):
        for s in range(SIMD):
            low, high = row[2 * q][s], row[2 * q + 1][s]
            high = (high - (low < 0)) & (1 << WIDTH + 1) - 1
            total |= (high << WIDTH | low & (1 << WIDTH) - 1) << bits * (q * SIMD + s)
    return total


@pytest.mark.parametrize(
    ("length", "bits", "pair", "banks"), [(1, 3, True, 1), (2, 4, False, 3), (4, 1, True, 2)], ids=["d1", "d2", "d4"]
)
def test_codebook(length: int, bits: int, pair: bool, banks: int) -> None:
    rng, depth, rounds = random.Random(bits), 3, 9
    lowest, highest = -(1 << WIDTH - 1), (1 << WIDTH - 1) - 1
    tables = [[[rng.randint(lowest, highest) for _ in range(length)] for _ in range(1 << bits)] for _ in range(banks)]
    tables[0][0] = [lowest] * length
    order = [rng.randrange(banks) for _ in range(rounds)]
    inputs, codes, outputs = [], [], []
    for bank in order:
        for _ in range(depth):
            beat, user = rng.getrandbits(11), rng.getrandbits(2)
            code = [[rng.randrange(1 << bits) for _ in range(SIMD)] for _ in range(PE // length)]
            row = [[tables[bank][code[p // length][s]][p % length] for s in range(SIMD)] for p in range(PE)]
            inputs.append([beat, user])
            codes.append([sum(c << bits * (q * SIMD + s) for q, r in enumerate(code) for s, c in enumerate(r))])
            outputs.append([beat, user, weights_word(row, pair)])
    ports = {"s": [inputs], "c": [codes]} | ({"b": [[[b] for b in order]]} if banks > 1 else {})
    check_streams(
        "codebook",
        {
            "Simd": SIMD, "Pe": PE, "Length": length, "WeightWidth": WIDTH, "CodeBits": bits, "Pair": int(pair),
            "BeatWidth": 11, "UserWidth": 2, "Depth": depth, "Banks": banks, "Load": LOAD,
        },
        ports,
        {"m": [outputs]},
        loads={"w": [entry_word(e) for table in tables for e in table]},
        fields={"s": ("data", "user"), "c": ("data",), "b": ("data",), "m": ("data", "user", "weights")},
        pins={"x_ready": 1},
        pace=("m", depth, depth),
    )  # fmt: skip
