# SPDX-License-Identifier: Apache-2.0
"""Matrices split by the widths of their channels: equal integers, fewer resources, and only where order is free."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatewright as gw
from gatewright import boards
from gatewright.compress import quantize
from gatewright.design import Design
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Graph, Node, Op, TensorType
from gatewright.ops.add import Add
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.ops.max_pool import MaxPool
from gatewright.ops.relu import Relu
from gatewright.ops.requantize import Requantize
from gatewright.ops.reshape import Reshape
from gatewright.schedule.mixed import narrowed, partitions, with_mixed
from gatewright.schedule.rename import route
from gatewright.sim.fuzz import random_inputs

U200 = boards.load("u200")
S8, U8 = Fixed(8, 4), Fixed(8, 4, signed=False)
WIDTHS = np.array([8, 2, 0, 2, 2, 2, 0, 2, 8, 2, 4, 2, 0, 2, 2, 3] * 2)
OUTS = len(WIDTHS)
PACE = 64
"""Cycles per token."""


def rows(rng: np.random.Generator, widths: Ints, *shape: int) -> Ints:
    """Weights of these widths, each channel times a power of two as far as eight bits hold it."""
    made = [rng.integers(-(1 << w) // 2, 1 << max(w - 1, 0), shape) if w else np.zeros(shape, np.int64) for w in widths]
    return np.stack([m << int(rng.integers(0, 9 - w)) if w else m for m, w in zip(made, widths, strict=True)])


def linear(rng: np.random.Generator, widths: Ints, ins: int, output: Fixed = U8) -> Linear:
    outs = len(widths)
    return Linear(rows(rng, widths, ins), rng.integers(-900, 900, outs), rng.integers(5, 12, outs), 8, output)


def perceptron(rng: np.random.Generator, between: tuple[Op, ...] = ()) -> Graph:
    nodes = [Node("a", linear(rng, WIDTHS, 128, S8), ("x",))]
    for k, op in enumerate(between):
        nodes.append(Node(f"b{k}", op, (nodes[-1].name,)))
    nodes.append(Node("y", linear(rng, np.full(6, 8), OUTS, S8), (nodes[-1].name,)))
    return Graph({"x": TensorType(4, 128, U8)}, tuple(nodes), ("y",), "mixed")


def convolutional(rng: np.random.Generator, padding: int) -> Graph:
    first = Conv2d(
        rows(rng, WIDTHS, 8, 3, 3), rng.integers(200, 900, OUTS), np.full(OUTS, 9), 8, U8, 8, 8, padding=(1, 1)
    )
    second = Conv2d(rows(rng, WIDTHS, OUTS, 3, 3), rng.integers(200, 900, OUTS), np.full(OUTS, 10), 8, U8, 4, 4,
                    padding=(padding, padding))  # fmt: skip
    tokens = 16 if padding else 4
    nodes = (
        Node("a", first, ("x",)),
        Node("p", MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 8, 8), ("a",)),
        Node("b", second, ("p",)),
        Node("f", Reshape(OUTS * tokens), ("b",)),
        Node("y", linear(rng, np.full(6, 8), OUTS * tokens, S8), ("f",)),
    )
    return Graph({"x": TensorType(64, 8, U8)}, nodes, ("y",), "mixed")


def assert_same(one: Graph, other: Graph) -> None:
    """Golden results of random and extreme sequences."""
    (kind,) = one.inputs.values()
    for sequence in random_inputs(np.random.default_rng(5), one, 6)[0]:
        assert np.array_equal(one.evaluate(sequence)[0], other.evaluate(sequence)[0]), kind


def test_common_powers_of_two_change_nothing() -> None:
    """Floors nest: taken out of weights, they leave shift and bias; also where the shift is smaller, or negative."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        op = linear(rng, rng.choice([0, 1, 2, 5, 8], 12), 7, S8)
        op = replace(op, shift=rng.integers(-1, 9, 12), bias=rng.integers(-9999, 9999, 12))
        made = narrowed(op)
        again = replace(op, weight=made.weight, bias=made.bias, shift=made.shift)
        x = rng.integers(-128, 128, (9, 7))
        assert np.array_equal(op.evaluate(x), again.evaluate(x))
        for row, width in zip(made.weight, made.widths, strict=True):
            assert Fixed(max(1, int(width)), 0).contains(row)


def test_every_partition_has_every_channel() -> None:
    found = list(partitions(WIDTHS, {2, 6}))
    assert len(found) > 5 and any(len(p) > 1 for p in found)
    for parts in found:
        every = np.concatenate(parts)
        assert len(set(every.tolist())) == len(every) and set(range(OUTS)) - set(every.tolist()) <= {2, 6}
    assert any(len(np.concatenate(p)) == OUTS - 2 for p in found)


@pytest.mark.parametrize("between", [(), (Relu(), Requantize(1, Fixed(7, 3)))], ids=["direct", "elementwise"])
def test_perceptron(between: tuple[Op, ...]) -> None:
    """Parts, constants in the next bias, columns in the new order."""
    graph = perceptron(np.random.default_rng(1), between)
    made = with_mixed(graph, U200, 4 * PACE)
    assert_same(graph, made)
    kinds = [n.op.name() for n in made.nodes if n.origin == "" and n.name.startswith("a")]
    assert kinds.count("linear") >= 2 and "concat" in kinds
    assert made.types["a"].channels < OUTS
    widths = [n.op.weight_width for n in made.nodes if isinstance(n.op, Linear) and n.name != "y"]
    assert min(widths) < max(widths) == 8


@pytest.mark.parametrize("padding", [0, 1])
def test_convolutional(padding: int) -> None:
    """Constants that are not zero stay in front of padding, which is zero; behind a reshape they leave."""
    graph = convolutional(np.random.default_rng(2), padding)
    made = with_mixed(graph, U200, 32 * PACE)
    assert_same(graph, made)
    way = route(graph, "a", {2: 5, 6: 0})
    assert way is not None and way.removable == ({6: 0} if padding else {2: 5, 6: 0})
    assert padding or max(made.types[n].channels for n in "ab") < OUTS


def test_order_that_matters_stays() -> None:
    """An output, a value that is read twice, and groups of channels."""
    rng = np.random.default_rng(3)
    x = TensorType(4, 128, U8)
    alone = Graph({"x": x}, (Node("y", linear(rng, WIDTHS, 128), ("x",)),), ("y",), "alone")
    assert with_mixed(alone, U200) is alone
    twice = Graph(
        {"x": x},
        (
            Node("a", linear(rng, WIDTHS, 128, S8), ("x",)),
            Node("b", linear(rng, np.full(OUTS, 8), OUTS, S8), ("a",)),
            Node("y", Add.of(S8, S8, S8), ("a", "b")),
        ),
        ("y",),
        "twice",
    )
    assert with_mixed(twice, U200) is twice
    even = replace(linear(rng, np.full(OUTS, 8), 128), weight=rng.integers(-127, 127, (OUTS, 128)) | 1)
    whole = Graph(
        {"x": x}, (Node("a", even, ("x",)), Node("y", linear(rng, np.full(6, 8), OUTS), ("a",))), ("y",), "whole"
    )
    assert with_mixed(whole, U200) is whole


@pytest.fixture(scope="module")
def designs() -> dict[bool, Design]:
    """A perceptron with 0, 2, 4 and 8 bits, whole and split."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 6)).eval()
    bits = {"0": [0, 2, 2, 4, 2, 8, 2, 2] * 4, "2": 8}
    x = torch.rand(24, 64, generator=torch.Generator().manual_seed(0))
    made = quantize.post_training(model, bits)
    how: dict[str, Any] = {"config": quantize.config(bits), "target": 64, "board": "u200", "name": "mixed"}
    return {mixed: gw.compile(made, x[:1], x, mixed=mixed, **how) for mixed in (False, True)}


def test_design(designs: dict[bool, Design], tmp_path: Any) -> None:
    """Less hardware at the same pace, equal in RTL, and as it was when loaded."""
    whole, split = designs[False], designs[True]
    assert split.plan.total["dsp"] < whole.plan.total["dsp"]
    x = torch.rand(5, 64, generator=torch.Generator().manual_seed(1)).numpy()
    assert np.array_equal(whole.run(x), split.run(x))
    found = split.verify(x, ["golden", "rtl"], stall=0.3)
    found.check()
    free = split.verify(x, ["rtl"])
    assert free.rows[-1].cycles == free.predicted
    fabric = [i.parameters.get("Fabric", 0) for i in split.rtl.instances.values()]
    assert sum(fabric) == 1
    split.save(tmp_path)
    assert str(Design.load(tmp_path).graph) == str(split.graph)
    whole.save(tmp_path)
    assert str(Design.load(tmp_path).graph) == str(whole.graph)
