# SPDX-License-Identifier: Apache-2.0
"""Foldings drawn at random from the legal set: each builds, and its RTL equals golden."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from harness import assert_equal, job

from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.ops.add import Add
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.layer_norm import LayerNorm
from gatewright.ops.linear import Linear
from gatewright.ops.max_pool import MaxPool
from gatewright.ops.pwl import Kind, Pwl
from gatewright.ops.reshape import Reshape
from gatewright.ops.top_k_attention import TopKAttention
from gatewright.schedule import all_nodes
from gatewright.sim.batch import run_all
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_inputs

FORM, POSITIVE = Fixed(8, 4), Fixed(8, 4, signed=False)
MULTIPLIERS = 64
"""Most multipliers of one operator."""


def constants(seed: int, *shape: int) -> tuple[Ints, Ints, Ints]:
    """Weights of 4 bits (outputs first), biases, and shifts that keep sums in range."""
    rng = np.random.default_rng(seed)
    terms = int(np.prod(shape[1:]))
    shift = np.full(shape[0], 2 + int(np.log2(terms)) // 2) + rng.integers(0, 2, shape[0])
    return rng.integers(-8, 8, shape), rng.integers(-99, 100, shape[0]), shift


def linear(seed: int, ins: int, outs: int, output: Fixed = FORM) -> Linear:
    return Linear(*constants(seed, outs, ins), 4, output)


def perceptron() -> Graph:
    """Sequences of any length through three matrices: groups of tokens are among the foldings."""
    nodes = (
        Node("a", linear(0, 12, 24, POSITIVE), ("x",)),
        Node("b", linear(1, 24, 8, POSITIVE), ("a",)),
        Node("y", linear(2, 8, 6), ("b",)),
    )
    return Graph({"x": TensorType(Length("n", 15), 12, FORM)}, nodes, ("y",), "perceptron")


def convolutional() -> Graph:
    """Convolution, pooling, flattening, classification."""
    nodes = (
        Node("c", Conv2d(*constants(0, 6, 2, 3, 3), 4, POSITIVE, 8, 8, padding=(1, 1)), ("x",)),
        Node("p", MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 8, 8), ("c",)),
        Node("f", Reshape(96), ("p",)),
        Node("y", linear(1, 96, 10), ("f",)),
    )
    return Graph({"x": TensorType(64, 2, FORM)}, nodes, ("y",), "convolutional")


def encoder() -> Graph:
    """One layer with attention over the three best keys, a residual sum, a norm and a feed-forward part."""
    x = TensorType(Length("n", 12), 8, FORM)
    norm = LayerNorm(np.full(8, 40), np.arange(8) - 4, 3, 6, FORM)
    nodes = (
        *(Node(name, linear(i, 8, 8), ("x",)) for i, name in enumerate("qkv")),
        Node("attention", TopKAttention.of([x] * 3, FORM, heads=2, top=3, bits=1), ("q", "k", "v")),
        Node("sum", Add.of(FORM, FORM, FORM), ("x", "attention")),
        Node("norm", norm, ("sum",)),
        Node("up", linear(3, 8, 16), ("norm",)),
        Node("gelu", Pwl.of(Kind.GELU, FORM, FORM), ("up",)),
        Node("y", linear(4, 16, 8), ("gelu",)),
    )
    return Graph({"x": x}, nodes, ("y",), "encoder")


def drawn(graph: Graph, rng: np.random.Generator) -> dict[str, Folding]:
    """One legal folding for every operator; all are equally likely."""
    found = {}
    for name, (where, node) in all_nodes(graph):
        legal = [f for f in node.op.foldings(*where.input_types(node)) if f.simd * f.pe * f.tokens <= MULTIPLIERS]
        found[name] = legal[int(rng.integers(len(legal)))]
    return found


# A hundred in all at night; attention takes longest to compile.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "count"),
    [
        (perceptron, 15),
        (convolutional, 15),
        (encoder, 5),
        *(
            pytest.param(*case, marks=pytest.mark.nightly)
            for case in ((perceptron, 44), (convolutional, 42), (encoder, 14))
        ),
    ],
)
def test_random_foldings_equal_golden(make: Callable[[], Graph], count: int) -> None:
    graph, rng = make(), np.random.default_rng(count)
    inputs = random_inputs(rng, graph, 4)
    chosen: dict[str, dict[str, Folding]] = {}
    while len(chosen) < count:
        one = drawn(graph, rng)
        chosen[str(one)] = one
    jobs = [job(graph, f, inputs, stall=0.3 * (i % 2), seed=i) for i, f in enumerate(chosen.values())]
    golden = executors()["golden"](jobs[0])
    for one, result in zip(jobs, run_all(jobs), strict=True):
        assert_equal(one, result, golden, f"{graph.name} {one.foldings}")
