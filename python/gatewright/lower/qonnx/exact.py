# SPDX-License-Identifier: Apache-2.0
"""The integer reciprocal of `ops/_softmax.py` and what it is made of, in nodes that are exact in float64."""

from __future__ import annotations

import numpy as np

from gatewright.fixed import Ints
from gatewright.lower.qonnx.writer import Array, Writer
from gatewright.ops import _softmax as softmax

KIND = np.float64


def exponent(w: Writer, total: str, most: int) -> str:
    """floor(log2 S) - EXP_BITS of sums S below 2**(most + 1): the powers of two that do not exceed it are counted."""
    powers = 2.0 ** np.arange(softmax.EXP_BITS, most + 1)
    shape = (*w.shapes[total], len(powers))
    tall = w.reshape(total, (*w.shapes[total], 1))
    reached = w.node("GreaterOrEqual", [tall, w.constant(powers, KIND)], shape, np.bool_)
    axes = w.constant(np.array([3]), np.int64, "axes")
    count = w.node("ReduceSum", [w.cast(reached, KIND), axes], w.shapes[total], keepdims=0)
    return w.binary("Sub", count, 1.0)


def reciprocal(w: Writer, total: str, exponent: str) -> str:
    """r of sums S."""
    scaled = w.node("Mul", [total, power(w, exponent, 0)], w.shapes[total])
    mantissa = w.binary("Sub", floor(w, scaled), 2.0**softmax.EXP_BITS)
    return rounded(w, chord(w, mantissa, softmax.reciprocal_table(), softmax.EXP_BITS - softmax.RECIPROCAL_SEGMENTS))


def chord(w: Writer, x: str, table: tuple[Ints, Ints], step: int) -> str:
    """A falling function from its chords, before rounding: base - drop * offset * 2**-step."""
    base, drop = table
    segment = floor(w, w.binary("Mul", x, 2.0**-step))
    offset = minus(w, x, w.binary("Mul", segment, 2.0**step))
    fall = w.node("Mul", [look_up(w, segment, np.ldexp(drop.astype(KIND), -step)), offset], w.shapes[x])
    return minus(w, look_up(w, segment, base.astype(KIND)), fall)


def power(w: Writer, x: str, more: int, count: int = 64) -> str:
    """2**-(x + more) of whole 0 <= x < count."""
    return look_up(w, x, 2.0 ** -(np.arange(count) + float(more)))


def look_up(w: Writer, x: str, rows: Array) -> str:
    """rows[x]."""
    return w.node("Gather", [w.constant(rows, KIND, "table"), w.cast(x, np.int64)], w.shapes[x], axis=0)


def minus(w: Writer, a: str, b: str) -> str:
    """a - b, which has the shape of a."""
    return w.node("Sub", [a, b], w.shapes[a])


def floor(w: Writer, x: str) -> str:
    """The next whole number below."""
    return w.node("Floor", [x], w.shapes[x])


def rounded(w: Writer, x: str) -> str:
    """Half up."""
    return floor(w, w.binary("Add", x, 0.5))
