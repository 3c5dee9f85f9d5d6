# SPDX-License-Identifier: Apache-2.0
"""Bench of top_k_attention: equal to the operator over foldings, selector widths, banks, stalls and resets."""

from dataclasses import replace

import numpy as np
import pytest
from rtl.operator_bench import check_module

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType
from gatewright.ops._selector import LEVELS
from gatewright.ops.top_k_attention import TopKAttention

LENGTHS = (1, 2, 1, 5, 9, 24, 3, 1)


def operator(types: list[TensorType], output: Fixed, seed: int = 0, **options: int) -> TopKAttention:
    """Random thresholds near the middle of the range."""
    rng = np.random.default_rng(seed)
    limits = [np.sort(rng.uniform(0, x.fixed.hi * x.fixed.ulp, LEVELS[options["bits"]])) for x in types[:2]]
    return TopKAttention.of(types, output, **options, q_thresholds=limits[0], k_thresholds=limits[1])


@pytest.mark.parametrize(
    ("bits", "heads", "folding", "pace"),
    [
        # Twelve keys in blocks of two, at most three of them chosen: 2 heads of 6 cycles.
        (4, 2, Folding(2, 2, 1, 2), (1, 12)),
        (1, 2, Folding(1, 4, 2, 1), (1, 4)),
        (2, 2, Folding(4, 1, 2, 2), (1, 12)),
    ],
    ids=["4bit", "1bit_all_heads", "2bit_one_key"],
)
def test_top_k_attention(bits: int, heads: int, folding: Folding, pace: tuple[int, int]) -> None:
    types = [TensorType(Length("n", 24), heads * 4, Fixed(w, 4)) for w in (8, 6, 7)]
    op = operator(types, Fixed(8, 4), heads=heads, top=3, bits=bits)
    other = operator(types, Fixed(8, 4), seed=1, heads=heads, top=3, bits=bits)
    check_module(op, *types, folding=folding, lengths=LENGTHS, other=other, pace=pace)


def test_banks() -> None:
    """Thresholds, scale and both shifts are data of the sequence; here also unsigned inputs, causal."""
    types = [TensorType(Length("n", 24), 8, Fixed(w, 4, s)) for w, s in ((6, False), (8, True), (5, False))]
    base = operator(types, Fixed(8, 4), heads=2, top=4, bits=3, causal=True)
    banks = [
        base,
        replace(base, scale=base.scale // 3, scale_shift=base.scale_shift - 2, q_thresholds=(0, 9, 30)),
        replace(base, shift=-1, output=Fixed(8, 5), k_thresholds=(1, 1, 200)),
    ]
    check_module(base, *types, folding=Folding(1, 2, 1, 2), lengths=LENGTHS * 2, banks=banks)


def test_minilm_head() -> None:
    """Heads as in MiniLM: 32 channels, 30 keys, with more and with fewer tokens than that."""
    types = [TensorType(Length("n", 36), 64, Fixed(8, 5))] * 3
    op = operator(types, Fixed(8, 5), heads=2, top=30, bits=4)
    check_module(op, *types, folding=Folding(2, 4, 1, 2), lengths=(31, 3))
