# SPDX-License-Identifier: Apache-2.0
"""Codebook weights: found, checked, spelled, cheaper where they say so, and equal in every executor."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from harness import check_operator

from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Length, Node, TensorType, from_dict, to_dict
from gatewright.ops import _codebook
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear

S8 = Fixed(8, 4)
X = TensorType(Length("n", 9), 16, S8)


def clustered(outs: int, rest: tuple[int, ...], entries: int, length: int, seed: int = 0) -> tuple[Ints, Ints]:
    """Weights [outs, ...] and their codebook."""
    rng = np.random.default_rng(seed)
    codebook = rng.integers(-128, 128, (entries, length), dtype=np.int64)
    weight = np.moveaxis(codebook[rng.integers(0, entries, (outs // length, *rest))], -1, 1)
    return weight.reshape(outs, *rest), codebook


def linear(ins: int, outs: int, entries: int, length: int = 1, coded: bool = False) -> Linear:
    weight, codebook = clustered(outs, (ins,), entries, length)
    bias, shift = np.arange(outs, dtype=np.int64) * 9, np.full(outs, 8, np.int64)
    return Linear(weight, bias, shift, 8, S8, codebook=codebook, coded=coded)


def test_in_rtl() -> None:
    """Pairs of outputs, several tokens per row, an odd number of entries. Other executors see plain weights."""
    foldings = [Folding(simd=4, pe=4), Folding(simd=2, pe=2, tokens=4)]
    check_operator(linear(16, 8, 5, 2, True), X, foldings=foldings, sequences=3, every_executor=False)


def test_convolution_in_rtl() -> None:
    """Vectors of outputs do not mind in which order a convolution takes its inputs."""
    weight, codebook = clustered(8, (2, 3, 3), 4, 4)
    op = Conv2d(
        weight, np.arange(8), np.full(8, 9), 8, S8, height=4, width=5, groups=2, codebook=codebook, coded=True
    )  # fmt: skip
    check_operator(op, TensorType(20, 4, S8), foldings=[Folding(2, 6, 4)], sequences=2, every_executor=False)


def test_find_takes_the_fewest_bits() -> None:
    """Vectors where they are few, single weights where vectors are many, nothing where all differ."""
    weight, codebook = clustered(64, (32,), 16, 4)
    found = _codebook.find(weight[None], 8)
    assert found is not None and sorted(map(tuple, found)) == sorted(map(tuple, codebook))
    scalars, levels = clustered(64, (32,), 4, 1, seed=1)
    single = _codebook.find(scalars[None], 8)
    assert single is not None and np.array_equal(single, np.sort(levels, axis=0))
    assert _codebook.find(np.random.default_rng(0).integers(-128, 128, (1, 64, 32)), 8) is None
    # Two bits are stored as they are.
    assert _codebook.find(np.random.default_rng(0).integers(-2, 2, (1, 64, 32)), 2) is None


def test_indices_point_at_the_weights() -> None:
    weight, codebook = clustered(12, (5,), 7, 3)
    codes = _codebook.indices(weight.reshape(2, 6, 5), codebook)
    assert codes.shape == (2, 2, 5)
    assert np.array_equal(codebook[codes].transpose(0, 1, 3, 2).reshape(12, 5), weight)


def test_refusals() -> None:
    op = linear(16, 8, 5, 2)
    wrong = op.weight.copy()
    wrong[0, 0] += 1
    with pytest.raises(GraphError, match="codebook: weights .* are not in it"):
        replace(op, weight=wrong).infer(X)
    with pytest.raises(GraphError, match="vectors of 3 on 8 outputs"):
        replace(op, codebook=np.zeros((2, 3), np.int64)).infer(X)
    with pytest.raises(GraphError, match=r"codebook: values .*\s+supported: 8-bit signed"):
        replace(op, codebook=op.codebook + 1000).infer(X)  # type: ignore[operator]
    with pytest.raises(GraphError, match="pe: 1 beside codebook entries of 2"):
        replace(op, coded=True).rtl(Folding(simd=4, pe=1), X)


def test_where_it_pays() -> None:
    """A deep store becomes narrow; a shallow one would only get a table in front. What is asked for is done."""
    op, x = linear(256, 64, 16), TensorType(1, 256, S8)
    deep, shallow = Folding(simd=4, pe=2), Folding(simd=128, pe=8)
    parameters, memory = op.matrix(S8), op.rtl(deep, x)
    assert parameters.coding(deep) and memory is not None and memory.parameters["CodeBits"] == 4
    assert not parameters.coding(shallow)
    assert replace(op, coded=True).matrix(S8).coding(shallow)
    plain = replace(op, codebook=None)
    assert op.cost(deep, x).bram36 < plain.cost(deep, x).bram36
    assert op.cost(shallow, x) == plain.cost(shallow, x)
    assert parameters.row_bits(deep) == 4 * 2 * 4 < plain.matrix(S8).row_bits(deep)
    # One step more on the way through, and the same pace.
    late = op.stages(deep, 1, x)[0].latency - plain.stages(deep, 1, x)[0].latency
    assert late == 1 and op.stages(deep, 1, x)[0].interval == plain.stages(deep, 1, x)[0].interval


def test_asked_for_limits_the_foldings() -> None:
    assert {f.pe for f in linear(16, 8, 5, 4, True).foldings(X)} == {4, 8}
    assert {f.pe for f in linear(16, 8, 5, 4).foldings(X)} == {1, 2, 4, 8}


def test_iterations_with_codebooks_of_one_shape_only() -> None:
    one, other = linear(16, 8, 4, 2, True), linear(16, 8, 16, 2, True)
    with pytest.raises(GraphError, match="codebooks of equal shape"):
        Linear.rtl_banked(Folding(simd=4, pe=2), [one, other], [(X,), (X,)])
    tied = _codebook.tied([one.codebook, other.codebook])
    assert [len(c) for c in tied if c is not None] == [16, 16]
    assert _codebook.tied([one.codebook, None]) == [None, None]


def test_saved_and_loaded() -> None:
    graph = Graph({"x": X}, (Node("y", linear(16, 8, 5, 2, True), ("x",)),), ("y",), "g")
    again = from_dict(*to_dict(graph)).node("y").op
    assert isinstance(again, Linear) and again.coded and np.array_equal(again.codebook, graph.node("y").op.codebook)  # type: ignore[attr-defined,arg-type]
