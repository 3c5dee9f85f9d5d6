# SPDX-License-Identifier: Apache-2.0
"""The cycle model of generated designs with a loop against their simulated RTL."""

from collections.abc import Callable

import numpy as np
import pytest

from gatewright.errors import DataError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.rtl import lower
from gatewright.lower.timing import cycles, looped
from gatewright.ops.add import Add
from gatewright.ops.layer_norm import LayerNorm
from gatewright.ops.linear import Linear
from gatewright.ops.loop import Loop
from gatewright.ops.pwl import Kind, Pwl
from gatewright.ops.requantize import Requantize
from gatewright.ops.top_k_attention import TopKAttention
from gatewright.sim.batch import run_all
from gatewright.sim.executors import Job

NARROW, WIDE, MOST, ITERATIONS = Fixed(8, 4), Fixed(12, 6), 40, 4
WIDTH, INNER = 16, 32
LENGTH = Length("n", MOST)
STREAM, TOKEN = TensorType(LENGTH, WIDTH, WIDE), TensorType(LENGTH, WIDTH, NARROW)

# Folds of the feed-forward part's matrices, inputs times outputs per cycle: equally slow, the first slower, and a
# second one that finishes with its last input.
FOLDINGS = (((4, 4), (4, 4)), ((4, 4), (8, 8)), ((4, 32), (32, 1)))
# As in a real design, a token takes longer in a matrix than in attention.
SLOW = ((2, 2), (4, 1))
BATCHES = (
    [7],
    [40],
    [5, 9, 3, 20, 31, 2],
    [40] * 4,
    [12, 3, 25, 17, 28, 12, 1, 40, 33],
    # Who goes first hangs on what the slices in front of the projections hold.
    [7, 10, 30, 16, 4, 11, 8, 12],
    [3, 4, 5, 6, 7, 7, 9, 10, 13, 13, 13, 14, 15, 21, 28, 40],
)


def matrix(rng: np.random.Generator, outs: int, ins: int, x: Fixed, output: Fixed) -> Linear:
    weight, bias = rng.integers(-8, 8, (outs, ins)), rng.integers(-50, 50, outs)
    return Linear(weight, bias, np.full(outs, x.frac + 5 - output.frac), 5, output)


def feed_forward(rng: np.random.Generator) -> Graph:
    """Two matrices and a residual sum."""
    up, down = matrix(rng, INNER, WIDTH, WIDE, NARROW), matrix(rng, WIDTH, INNER, NARROW, WIDE)
    nodes = (Node("up", up, ("x",)), Node("down", down, ("up",)), Node("y", Add.of(WIDE, WIDE, WIDE), ("x", "down")))
    return Graph({"x": STREAM}, nodes, ("y",))


def encoder(rng: np.random.Generator) -> Graph:
    """A post-norm encoder layer with all its operators."""
    norms = [LayerNorm(rng.integers(1, 60, WIDTH), rng.integers(-9, 9, WIDTH), 1, 16, WIDE) for _ in range(2)]
    limits = [1.0]
    attention = TopKAttention.of([TOKEN] * 3, NARROW, heads=2, top=5, bits=2, q_thresholds=limits, k_thresholds=limits)
    nodes = (
        Node("z", Requantize(WIDE.frac - NARROW.frac, NARROW), ("x",)),
        *(Node(name, matrix(rng, WIDTH, WIDTH, NARROW, NARROW), ("z",)) for name in "qkv"),
        Node("a", attention, ("q", "k", "v")),
        Node("o", matrix(rng, WIDTH, WIDTH, NARROW, WIDE), ("a",)),
        Node("s", Add.of(WIDE, WIDE, WIDE), ("x", "o")),
        Node("m", norms[0], ("s",)),
        Node("up", matrix(rng, INNER, WIDTH, WIDE, NARROW), ("m",)),
        Node("g", Pwl.of(Kind.GELU, NARROW, NARROW), ("up",)),
        Node("down", matrix(rng, WIDTH, INNER, NARROW, WIDE), ("g",)),
        Node("t", Add.of(WIDE, WIDE, WIDE), ("m", "down")),
        Node("y", norms[1], ("t",)),
    )
    return Graph({"x": STREAM}, nodes, ("y",))


def network(layer: Callable[[np.random.Generator], Graph]) -> Graph:
    """A matrix, a loop of layers, a matrix."""
    rng = np.random.default_rng(5)
    loop = Loop(tuple(layer(rng) for _ in range(ITERATIONS)), 64, 4)
    nodes = (Node("e", matrix(rng, WIDTH, 8, NARROW, WIDE), ("i",)), Node("loop", loop, ("e",)),
             Node("o", matrix(rng, 8, WIDTH, WIDE, NARROW), ("loop",)))  # fmt: skip
    return Graph({"i": TensorType(LENGTH, 8, NARROW)}, nodes, ("o",), "network")


def foldings(up: tuple[int, int], down: tuple[int, int]) -> dict[str, Folding]:
    """Of every operator that one of the networks has."""
    inner = {"up": Folding(1, *up), "down": Folding(1, *down), "a": Folding(lanes=2, simd=2, tokens=2)}
    inner |= {name: Folding(1, 2, 1) for name in "qkvo"} | {name: Folding(lanes=4) for name in "zsmgty"}
    outer = {"e": Folding(1, 4, 4), "loop": Folding(), "o": Folding(1, 4, 4)}
    return outer | {f"loop.{name}": folding for name, folding in inner.items()}


@pytest.mark.slow
def test_a_loop_takes_the_predicted_cycles() -> None:
    rng, plain, full = np.random.default_rng(6), network(feed_forward), network(encoder)
    jobs, batches = [], []
    for graph, folds in (*((plain, folds) for folds in FOLDINGS), (full, SLOW)):
        for lengths in BATCHES:
            inputs = [[rng.integers(-128, 128, (n, 8)) for n in lengths]]
            jobs.append(Job(graph, foldings(*folds), inputs, {"o": lengths}))
            batches.append(lengths)
    for job, run, lengths in zip(jobs, run_all(jobs), batches, strict=True):
        model = cycles(job.graph, job.foldings, job.rtl, [(n,) for n in lengths])
        place = f"{len(job.rtl.instances)} operators, {job.foldings['loop.up']}, lengths {lengths}"
        print(f"{place}: {run.cycles} cycles, {model.cycles} predicted, {model.cycles / run.cycles - 1:+.2%}")
        assert abs(model.cycles - run.cycles) <= 0.01 * run.cycles, f"{place}: {run.cycles}, predicted {model.cycles}"
        off = np.abs(np.asarray(model.finished) - run.finished)
        # In so small a body as `plain`, which of two passes goes first may hang on one cycle: then one sequence gains
        # what another loses.
        assert np.mean(off > 12) <= (0.2 if job.graph is plain else 0), f"{place}: {off}"


def test_what_passes_by_a_loop_is_refused() -> None:
    graph = network(feed_forward)
    beside = Node("b", Add.of(NARROW, NARROW, WIDE), ("o", "i"))
    both = Graph(graph.inputs, (*graph.nodes, beside), ("b",), "both")
    every = foldings(*FOLDINGS[0]) | {"b": Folding(4)}
    with pytest.raises(DataError, match="node b.*joins the loop's result"):
        looped(both, every, lower(graph, every), [(5,)])
