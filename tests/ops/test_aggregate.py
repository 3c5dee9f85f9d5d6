# SPDX-License-Identifier: Apache-2.0
"""Aggregation over a graph: every executor, exact cycles, what is refused."""

from typing import Any

import numpy as np
import pytest
from harness import assert_equal, check_operator, job, single
from ops.test_window_cycles import predicted

from gatewright.errors import GraphError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, Reference, TensorType, from_dict, to_dict
from gatewright.ops.aggregate import Aggregate
from gatewright.sim.batch import run_all
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_sequence

S8 = Fixed(8, 4)


def random_graph(nodes: int, most: int, **room: int) -> Aggregate:
    """Up to `most` edges per node, nodes without any among them."""
    rng = np.random.default_rng(nodes)
    starts = np.concatenate([[0], np.cumsum(rng.integers(0, most + 1, nodes))])
    sources, values = rng.integers(0, nodes, starts[-1]), rng.integers(-64, 64, starts[-1])
    return Aggregate(starts, sources, values, 7, 6, S8, **room)


@pytest.mark.slow
def test_executors() -> None:
    check_operator(random_graph(9, 4), TensorType(9, 6, S8), foldings=[Folding(lanes=n) for n in (1, 3, 6)])


@pytest.mark.slow
def test_cycles_are_as_predicted() -> None:
    """Edges decide, or the input; either memory of tokens is waited for."""
    rng = np.random.default_rng(0)
    cases = [(random_graph(9, 6, capacity=70), 6, 2), (random_graph(20, 0), 4, 2), (random_graph(12, 1), 3, 3)]
    jobs = []
    for op, channels, lanes in cases:
        kind = TensorType(op.nodes, channels, S8)
        sequences = [random_sequence(rng, kind, op.nodes) for _ in range(5)]
        jobs.append(job(single(op, kind), {"y": Folding(lanes=lanes)}, [sequences]))
    for one, run in zip(jobs, run_all(jobs), strict=True):
        assert_equal(one, run, executors()["golden"](one), "aggregate")
        assert run.cycles == predicted(one, one.graph.inputs["x0"]), str(one.graph)


def test_meaning() -> None:
    """A product with the sparse matrix, rounded half up; a node without edges is 0."""
    op = Aggregate(np.array([0, 2, 2, 3]), np.array([1, 2, 0]), np.array([3, -1, 5]), 4, 1, Fixed(8, 0))
    x = np.array([[1, 2], [3, 4], [5, 6]])
    assert op.evaluate(x).tolist() == [[2, 3], [0, 0], [3, 5]]
    assert [v.tolist() for v in op.work()] == [[1, 2, 0, 0], [3, -1, 0, 5], [0, 1, 1, 1]]


def test_error_bound_holds() -> None:
    rng = np.random.default_rng(1)
    op = random_graph(40, 5)
    real = np.ldexp(op.coefficients + rng.uniform(-0.5, 0.5, len(op.coefficients)), -6)[None]
    reference = Reference({"weight": real}, {"weight": np.abs(np.ldexp(op.coefficients, -6) - real)})
    error = rng.uniform(0, 0.1, (40, 3))
    x = rng.integers(-128, 128, (40, 3))
    golden = S8.dequantize(op.evaluate(x))
    value = S8.dequantize(x)
    moved = value + error * rng.choice([-1, 1], error.shape)
    bound = op.error_bound([(value, error)], golden, reference)
    inside = np.abs(golden) < 7.9
    assert np.all((np.abs(op.real([moved], reference) - golden) <= bound + 1e-12) | ~inside) and inside.mean() > 0.8
    assert np.median(bound) < 2


def test_saved_and_loaded() -> None:
    op = random_graph(9, 4, capacity=50, degree=8)
    again: Any = from_dict(*to_dict(single(op, TensorType(9, 2, S8)))).nodes[0].op
    x = np.arange(18).reshape(9, 2)
    assert np.array_equal(again.evaluate(x), op.evaluate(x)) and again.capacity == 50


@pytest.mark.parametrize(
    ("op", "tokens", "words"),
    [
        (random_graph(9, 4), 8, "8 tokens for a graph of 9 nodes"),
        (random_graph(9, 4), Length("n", 9), "tokens for a graph of 9 nodes"),
        (random_graph(9, 4, capacity=3), 9, "aggregate.capacity: 3"),
        (random_graph(9, 4, degree=1), 9, "aggregate.degree: 1"),
        (Aggregate(np.array([0, 1]), np.array([1]), np.array([1]), 4, 0, S8), 1, "aggregate.sources"),
        (Aggregate(np.array([0, 2]), np.array([0]), np.array([1]), 4, 0, S8), 1, "aggregate.starts"),
        (Aggregate(np.array([0, 1]), np.array([0]), np.array([8]), 4, 0, S8), 1, "aggregate.coefficients"),
    ],
)
def test_type_rule(op: Aggregate, tokens: Any, words: str) -> None:
    with pytest.raises(GraphError, match=words):
        op.infer(TensorType(tokens, 2, S8))
