# SPDX-License-Identifier: Apache-2.0
"""One encoder layer of MiniLM's size as a graph, and its token ring in the cycle model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.network import spell
from gatewright.lower.timing import ring_of
from gatewright.ops.add import Add
from gatewright.ops.layer_norm import LayerNorm
from gatewright.ops.linear import Linear
from gatewright.ops.loop import Loop
from gatewright.ops.pwl import Kind, Pwl
from gatewright.ops.requantize import Requantize
from gatewright.ops.top_k_attention import TopKAttention
from gatewright.scheduler.ring import Ring

WIDTH, INNER, HEADS, TOP = 384, 1536, 12, 30
LONGEST = 512
STREAM, OPERAND = Fixed(16, 10), Fixed(8, 4)
SLOTS, SEQUENCES = 2 * LONGEST, 16
"""Tokens and sequences in flight."""

MATRICES = {"q": (WIDTH, WIDTH), "k": (WIDTH, WIDTH), "v": (WIDTH, WIDTH), "o": (WIDTH, WIDTH),
            "up": (INNER, WIDTH), "down": (WIDTH, INNER)}  # fmt: skip
"""Outputs and inputs of every matrix."""

PACE = 1152
"""Cycles per token of every matrix."""

LANES, KEYS = 8, 4
FOLDINGS: Mapping[str, Folding] = {
    **{name: Folding(simd=8, pe=16) for name in "qkvo"},
    "attention": Folding(lanes=2, simd=KEYS, tokens=2),
    "up": Folding(simd=8, pe=64),
    "down": Folding(simd=32, pe=16),
    **{name: Folding(lanes=LANES) for name in ("narrow1", "sum1", "norm1", "narrow2", "gelu", "sum2", "norm2")},
}
"""Every matrix at PACE: 1,536 multiply-accumulates per cycle in all."""


@cache
def layer() -> Graph:
    """Post-norm BERT layer: attention and feed-forward, each with a residual sum and a norm behind it."""
    x = TensorType(Length("n", LONGEST), WIDTH, STREAM)
    token = replace(x, fixed=OPERAND)
    norm = LayerNorm(np.ones(WIDTH, np.int64), np.zeros(WIDTH, np.int64), 1, 16 - STREAM.frac, STREAM)
    narrow = Requantize(STREAM.frac - OPERAND.frac, OPERAND)
    nodes = (
        Node("narrow1", narrow, ("x",)),
        *(Node(name, _matrix(name, OPERAND), ("narrow1",)) for name in "qkv"),
        Node("attention", TopKAttention.of([token] * 3, OPERAND, heads=HEADS, top=TOP, bits=1), ("q", "k", "v")),
        Node("o", _matrix("o", STREAM), ("attention",)),
        Node("sum1", Add.of(STREAM, STREAM, STREAM), ("x", "o")),
        Node("norm1", norm, ("sum1",)),
        Node("narrow2", narrow, ("norm1",)),
        Node("up", _matrix("up", OPERAND), ("narrow2",)),
        Node("gelu", Pwl.of(Kind.GELU, OPERAND, OPERAND), ("up",)),
        Node("down", _matrix("down", STREAM), ("gelu",)),
        Node("sum2", Add.of(STREAM, STREAM, STREAM), ("norm1", "down")),
        Node("norm2", norm, ("sum2",)),
    )
    return Graph({"x": x}, nodes, ("norm2",), "layer")


def _matrix(name: str, output: Fixed) -> Linear:
    """What the weights are does not matter to cycles."""
    outs, ins = MATRICES[name]
    shift = np.full(outs, OPERAND.frac + 7 - output.frac)
    return Linear(np.ones((outs, ins), np.int64), np.zeros(outs, np.int64), shift, 8, output)


def ring(foldings: Mapping[str, Folding], lengths: Sequence[int], iterations: int) -> Ring:
    """The token ring of the layer.

    Args:
        lengths: tokens of every kind of sequence.
    """
    loop = Loop((layer(),), SLOTS, SEQUENCES)
    found, _ = ring_of(loop, foldings, spell(loop.bodies, foldings), tuple(lengths))
    return replace(found, iterations=iterations)


def multipliers(foldings: Mapping[str, Folding]) -> int:
    """Multiply-accumulates per cycle of all matrices."""
    return sum(foldings[name].simd * foldings[name].pe for name in MATRICES)
