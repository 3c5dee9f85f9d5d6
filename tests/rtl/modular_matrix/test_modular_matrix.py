# SPDX-License-Identifier: Apache-2.0
"""Bench of modular_matrix: products modulo 2**Width, one beat per cycle, stalls of inputs and weights anywhere."""

import random

import pytest
from rtl.plan_bench import beats, check_streams, word


@pytest.mark.parametrize(("ins", "simd", "pe", "width", "weight"), [(12, 3, 2, 64, 64), (8, 8, 3, 41, 8)])
def test_modular_matrix(ins: int, simd: int, pe: int, width: int, weight: int) -> None:
    rng = random.Random(ins)
    extremes = (0, -1, 1 << weight - 1, (1 << weight - 1) - 1)
    inputs, rows, expected = [], [], []
    for _ in range(20):
        x = [rng.choice((rng.getrandbits(width), (1 << width) - 1)) for _ in range(ins)]
        w = [[rng.choice((rng.getrandbits(weight), *extremes)) % (1 << weight) for _ in range(ins)] for _ in range(pe)]
        inputs.append(beats(x, simd, width))
        for b in range(0, ins, simd):
            rows.append([word([v for row in w for v in row[b : b + simd]], weight)])
        signed = [[v - (v >> weight - 1 << weight) for v in row] for row in w]
        expected.append([word([sum(a * b for a, b in zip(x, row, strict=True)) for row in signed], width)])
    check_streams(
        "modular_matrix",
        {"In": ins, "Simd": simd, "Pe": pe, "Width": width, "WeightWidth": weight},
        {"s": inputs, "w": rows},
        {"m": expected},
        fields={"w": ("data",)},
        pace=("m", 1, ins // simd),
    )
