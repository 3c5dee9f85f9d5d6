# SPDX-License-Identifier: Apache-2.0
"""What `softmax.hpp` asks of its caller."""

from __future__ import annotations

from gatewright.fixed import Ints
from gatewright.ops import _softmax as softmax

FORMAT = {
    "fraction": softmax.FRACTION,
    "limit": softmax.U_MAX,
    "exp_bits": softmax.EXP_BITS,
    "exp_step": softmax.FRACTION - softmax.EXP_SEGMENTS,
    "reciprocal_step": softmax.EXP_BITS - softmax.RECIPROCAL_SEGMENTS,
}
"""Compile-time constants."""


def chords() -> dict[str, Ints]:
    """Tables, the last arguments of a kernel."""
    (exp_base, exp_drop), (base, drop) = softmax.exp_table(), softmax.reciprocal_table()
    return {"exp_base": exp_base, "exp_drop": exp_drop, "reciprocal_base": base, "reciprocal_drop": drop}
