# SPDX-License-Identifier: Apache-2.0
"""Rotated circular convolutions: the same integers for every length, or the graph stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.fixed import Fixed, Ints
from gatewright.frontend.rotate import rotate_circular
from gatewright.graph import Folding, Graph, Length, Node, Op, TensorType
from gatewright.lower.depths import join_lags
from gatewright.ops.add import Add
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.global_pool import GlobalPool, Kind
from gatewright.ops.max_pool import MaxPool
from gatewright.ops.relu import Relu
from gatewright.ops.roll import Roll

S8 = Fixed(8, 4)
X = TensorType(Length("n", 19, 5), 2, S8)


def conv(dilation: int, padding: tuple[int, ...], kernel: int = 3, circular: bool = True) -> Conv1d:
    weight = np.random.default_rng(dilation).integers(-99, 100, (2, 2, kernel), dtype=np.int64)
    shape = {"padding": padding, "dilation": (dilation,), "circular": circular}
    return Conv1d(weight, np.arange(2), np.full(2, 6), 8, S8, **shape)  # type: ignore[arg-type]


def graph(*nodes: tuple[str, Op, tuple[str, ...]], output: str = "y") -> Graph:
    return Graph({"x": X}, tuple(Node(*n) for n in nodes), (output,))


def mean(count: int = 19) -> GlobalPool:
    return GlobalPool(Kind.AVERAGE, count, -2, Fixed(10, 6))


def residual(dilation: int = 2, second: int = 4) -> Graph:
    """Two blocks: what the second one adds is already rotated."""
    add = Add.of(S8, S8, S8)
    return graph(
        ("a", conv(dilation, (dilation,)), ("x",)),
        ("b", add, ("a", "x")),
        ("c", conv(second, (second,)), ("b",)),
        ("d", add, ("b", "c")),
        ("y", mean(), ("d",)),
    )


def data(tokens: int) -> Ints:
    return np.random.default_rng(tokens).integers(-128, 128, (tokens, 2), dtype=np.int64)


def test_results_are_the_same_at_every_length() -> None:
    """From sequences of one token more than the padding in front on; there the head goes round twice."""
    old = residual()
    new = rotate_circular(old)
    convs = [n.op for n in new.nodes if isinstance(n.op, Conv1d)]
    assert [c.padding for c in convs] == [(0, 4), (0, 8)]
    assert [n.op.shift for n in new.nodes if isinstance(n.op, Roll)] == [2, 4]
    for tokens in range(5, 20):
        assert np.array_equal(new.evaluate(data(tokens))[0], old.evaluate(data(tokens))[0]), tokens


def test_one_rotation_serves_all_readers() -> None:
    add = Add.of(S8, S8, S8)
    old = graph(
        ("a", conv(1, (2, 0)), ("x",)),
        ("b", conv(1, (0, 2)), ("x",)),
        ("c", add, ("a", "x")),
        ("d", add, ("b", "c")),
        ("e", add, ("d", "x")),
        ("y", mean(), ("e",)),
    )
    new = rotate_circular(old)
    # Padding that lies behind already stays; x and b are brought to the rotation of a, x once.
    assert sorted(n.inputs[0] for n in new.nodes if isinstance(n.op, Roll)) == ["b", "x"]
    assert np.array_equal(new.evaluate(data(9))[0], old.evaluate(data(9))[0])


KEPT = {
    "order of the result is seen": graph(("y", conv(2, (2,)), ("x",))),
    "a window with a grid": graph(
        ("a", conv(2, (2,)), ("x",)), ("b", MaxPool((2,), (2,), (0,), (1,)), ("a",)), ("y", mean(9), ("b",))
    ),
    "zero padding": graph(
        ("a", conv(2, (2,)), ("x",)), ("b", conv(1, (1,), circular=False), ("a",)), ("y", mean(), ("b",))
    ),
    "more missing than the shortest sequence": graph(
        ("a", conv(3, (3,)), ("x",)),
        ("b", conv(2, (2,)), ("a",)),
        ("c", Add.of(S8, S8, S8), ("b", "x")),
        ("y", mean(), ("c",)),
    ),
    "nothing circular": graph(("a", Relu(), ("x",)), ("y", GlobalPool(Kind.MAX, 19, 0, Fixed(7, 4, False)), ("a",))),
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    assert rotate_circular(KEPT[name]) is KEPT[name]


def test_a_residual_path_waits_for_one_dilation() -> None:
    """Token t of the convolution needs token t + 2 d; the rotated residual has come as far as t + d by then."""
    new = rotate_circular(residual(3, 4))
    foldings = {n.name: Folding(1, 3, 2) if isinstance(n.op, Conv1d) else Folding() for n in new.nodes}
    lags = join_lags(new, foldings)
    assert lags["b", 1] == (3 + 1, "x") and lags["b", 0] == (1, "x")
    assert lags["d", 0] == (4 + 1, "b") and lags["d", 1] == (1, "b")
