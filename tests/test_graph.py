# SPDX-License-Identifier: Apache-2.0
"""The graph: lengths, the legality table, text, save and load, passes."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.errors import DataError, GraphError
from gatewright.fixed import Fixed
from gatewright.graph import Graph, Length, Node, TensorType, bypass, from_dict, to_dict
from gatewright.ops.add import Add
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.sim.fuzz import random_graph, random_inputs

S8 = Fixed(8, 4)
X = TensorType(Length("n", 9), 3, S8)


@given(st.integers(0, 6), st.integers(1, 4), st.integers(0, 6), st.integers(1, 4), st.integers(20, 200))
def test_lengths_compose(a: int, s: int, b: int, t: int, n: int) -> None:
    """A chain of windows is one affine map: floor division nests."""
    length = Length("n", 200, 20)
    assert length.then(a, s).then(b, t).at(n) == ((n + a) // s + b) // t


def test_length_must_leave_a_token() -> None:
    with pytest.raises(GraphError, match="at least one token"):
        Length("n", 9).then(-3, 1)


def relu_graph(**changes: object) -> Graph:
    parts = {"inputs": {"x": X}, "nodes": (Node("y", Relu(), ("x",)),), "outputs": ("y",), "name": "g"}
    return Graph(**(parts | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"outputs": ()}, "at least one input and one output"),
        ({"nodes": (Node("x", Relu(), ("x",)),), "outputs": ("x",)}, "names are unique"),
        ({"nodes": (Node("1y", Relu(), ("x",)),), "outputs": ("1y",)}, "identifiers"),
        ({"nodes": (Node("y", Relu(), ("z",)),)}, "defined before"),
        ({"nodes": (Node("y", Relu(), ("x", "x")),)}, "as many inputs"),
        ({"outputs": ("x",)}, "an output is a node"),
        ({"nodes": (Node("a", Relu(), ("x",)), Node("y", Relu(), ("x",)))}, "every value is read"),
        ({"nodes": (Node("a", Relu(), ("x",)), Node("y", Relu(), ("a",))), "outputs": ("a", "y")}, "nobody else"),
    ],
)
def test_legality_table(changes: dict[str, object], rule: str) -> None:
    with pytest.raises(GraphError, match=rule):
        relu_graph(**changes)


def test_type_error_names_the_node_and_its_origin() -> None:
    with pytest.raises(GraphError, match=r"node y \(from net\.2\): requantize\.shift"):
        relu_graph(nodes=(Node("y", Requantize(3, S8), ("x",), "net.2"),))


def test_text_can_be_read() -> None:
    lines = [line.split() for line in str(relu_graph()).splitlines()]
    assert ["x", "[n,", "3]", "s8.4"] in lines
    assert ["y", "[n,", "3]", "u7.4", "=", "relu()", "<-", "x"] in lines


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (np.zeros((2, 3)), "float64"),
        (np.zeros((2, 4), int), r"\[tokens, 3\]"),
        (np.zeros((10, 3), int), "1 to 9 tokens"),
        (np.full((2, 3), 128), r"\[-128, 127\]"),
    ],
)
def test_bad_sequences_are_refused(data: np.ndarray, words: str) -> None:
    with pytest.raises(DataError, match=words):
        relu_graph().evaluate(data)


@pytest.mark.parametrize("seed", range(20))
def test_save_and_load_give_the_same_integers(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    graph = random_graph(rng, 5)
    structure, arrays = to_dict(graph)
    np.savez(tmp_path / "g.npz", **arrays)
    with np.load(tmp_path / "g.npz") as file:
        again = from_dict(structure, dict(file))
    assert str(again) == str(graph)
    for sequences in zip(*random_inputs(rng, graph, 3), strict=True):
        for a, b in zip(graph.evaluate(*sequences), again.evaluate(*sequences), strict=True):
            assert np.array_equal(a, b)


def test_bypass_reconnects_readers_and_outputs() -> None:
    nodes = (
        Node("a", Requantize(0, S8), ("x",)),
        Node("b", Requantize(0, S8), ("a",)),
        Node("y", Add.of(S8, S8, S8), ("a", "b")),
    )
    once = bypass(relu_graph(nodes=nodes), "a")
    assert once.node("y").inputs == ("x", "b") and once.node("b").inputs == ("x",)
