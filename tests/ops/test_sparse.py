# SPDX-License-Identifier: Apache-2.0
"""Sparse operators equal dense ones, take as many cycles as they promise, and are chosen where they pay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from harness import assert_equal, check_operator, job, single

from gatewright import boards
from gatewright.errors import GraphError
from gatewright.fixed import Fixed, Ints
from gatewright.graph import Folding, Graph, Length, Node, TensorType, most_tokens
from gatewright.lower import timing
from gatewright.lower.rtl import lower
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.linear import Linear
from gatewright.ops.loop import Loop
from gatewright.ops.sparse_conv2d import SparseConv2d
from gatewright.ops.sparse_linear import SparseLinear
from gatewright.schedule.sparse import with_sparse
from gatewright.sim.batch import run_all
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_inputs

N, S8 = Length("n", 9), Fixed(8, 4)
U200 = boards.load("u200")


def kept(rng: np.random.Generator, outs: int, ins: int, density: float, block: int = 1, m: int = 0) -> Ints:
    """[out, in] 8-bit weights; with `m`, round(density * m) of every m neighbouring inputs."""
    draw = rng.random((outs // block, ins))
    if m:
        rank = draw.reshape(outs // block, -1, m).argsort(axis=2).argsort(axis=2)
        draw = rank.reshape(outs // block, ins) / m
    mask = np.repeat(draw < density, block, axis=0)
    return np.where(mask, rng.integers(1, 128, (outs, ins)) * rng.choice([-1, 1], (outs, ins)), 0).astype(np.int64)


def linear(kind: type[Linear], weight: Ints, **how: Any) -> Any:
    outs = len(weight)
    return kind(weight, np.arange(outs) * 9 - 50, np.arange(outs) % 2 + 8, 8, S8, **how)


@pytest.mark.slow
def test_rtl_equals_dense() -> None:
    """The other executors meet sparse operators among random graphs and kernels (tests/sim, tests/hls)."""
    rng = np.random.default_rng(2)
    op = linear(SparseLinear, kept(rng, 8, 24, 0.3, 2), block=2, reach=4, shared=True)
    x = TensorType(N, 24, S8)
    dense = linear(Linear, op.weight)
    data = rng.integers(-128, 128, (7, 24))
    assert np.array_equal(op.evaluate(data), dense.evaluate(data))
    check_operator(op, x, foldings=[Folding(simd=2, pe=4), Folding(simd=3, pe=1)], every_executor=False)


def test_cycles_fall_with_density() -> None:
    """N:M with groups as wide as the multipliers reach: exactly N / M of the dense cycles, in RTL as predicted."""
    rng = np.random.default_rng(3)
    x, cycles, jobs = TensorType(N, 64, S8), [], []
    for n in (8, 4, 2, 1):
        op = linear(SparseLinear, kept(rng, 16, 64, n / 8, m=8), reach=8, shared=True)
        folding = Folding(simd=2, pe=2)
        assert op.sparse(S8).depth(folding) == (64 // 2) * (16 // 2) * n // 8
        graph = single(op, x)
        jobs.append(job(graph, {"y": folding}, [[rng.integers(-128, 128, (9, 64)) for _ in range(3)]]))
    golden = executors()["golden"]
    for one, result in zip(jobs, run_all(jobs), strict=True):
        assert_equal(one, result, golden(one), "rtl")
        assert (
            result.cycles == timing.cycles(one.graph, one.foldings, lower(one.graph, one.foldings), [(9,)] * 3).cycles
        )
        cycles.append(result.cycles)
    assert [round(cycles[0] / c, 1) for c in cycles] == [1.0, 2.0, 4.0, 7.9]


def test_rows_hold_every_weight_once() -> None:
    rng = np.random.default_rng(4)
    for shared in (False, True):
        op = linear(SparseLinear, kept(rng, 12, 48, 0.2), reach=4, shared=shared)
        unit, folding = op.sparse(S8), Folding(simd=3, pe=4)
        rows = unit.rows(folding)
        made = np.zeros_like(op.weight)
        fold = np.cumsum(rows.final) - rows.final
        for row, p, s in np.argwhere(rows.weight):
            place = rows.place[row, p, s]
            channel = place // 4 * unit.lanes(folding) + s * 4 + place % 4
            assert made[fold[row] * 4 + p, channel] == 0
            made[fold[row] * 4 + p, channel] = rows.weight[row, p, s]
        assert np.array_equal(made, op.weight) and len(rows.weight) == unit.depth(folding)
        assert rows.final.sum() == 3


@pytest.mark.parametrize(
    ("density", "m", "block", "wanted"),
    [
        (1.0, 0, 1, None),
        (0.5, 0, 1, None),
        (0.05, 0, 1, {"block": 1, "shared": False}),
        (0.125, 8, 1, {"block": 1, "reach": 8, "shared": True}),
        (0.25, 0, 4, {"block": 4}),
    ],
    ids=["dense", "half", "unstructured", "1:8", "blocks"],
)
def test_chosen_where_it_pays(density: float, m: int, block: int, wanted: dict[str, Any] | None) -> None:
    op = linear(Linear, kept(np.random.default_rng(5), 64, 128, density, block, m))
    graph = single(op, TensorType(N, 128, S8))
    made: Any = with_sparse(graph, U200).node("y").op
    if wanted is None:
        assert made is op
        return
    assert type(made) is SparseLinear and {k: getattr(made, k) for k in wanted} == wanted
    assert np.array_equal(made.weight, op.weight)


def test_what_pays_depends_on_the_pace() -> None:
    """Slow units find operands cheaply, fast ones do not: 20 % of the weights pay on average, 30 % only where slow."""
    x = TensorType(N, 128, S8)

    def pays(density: float, pace: float | None) -> bool:
        graph = single(linear(Linear, kept(np.random.default_rng(5), 64, 128, density)), x)
        return with_sparse(graph, U200, pace and pace * most_tokens(N)) is not graph

    assert [pays(0.2, p) for p in (None, 16, 64, 2048)] == [True, False, True, True]
    assert [pays(0.3, p) for p in (None, 16, 64, 2048)] == [False, False, False, True]


def test_a_short_codebook_does_not_hide_zeros() -> None:
    """What the front end found to be storable as indices is still sparse; where indices are asked for, they stay."""
    weight = np.sign(kept(np.random.default_rng(9), 64, 128, 1 / 16, m=16))
    plain = linear(Linear, weight)
    coded = replace(plain, codebook=np.array([[0], [1], [-1]]))
    x = TensorType(N, 128, S8)
    assert type(with_sparse(single(coded, x), U200).node("y").op) is SparseLinear
    asked = replace(coded, coded=True)
    assert with_sparse(single(asked, x), U200).node("y").op is asked


def test_a_convolution_is_chosen_too() -> None:
    rng = np.random.default_rng(6)
    weight = rng.integers(1, 128, (16, 16, 3, 3)) * (rng.random((16, 16, 3, 3)) < 0.08)
    op = Conv2d(weight, np.zeros(16, np.int64), np.full(16, 9), 8, S8, 6, 6, padding=(1, 1))
    graph = single(op, TensorType(36, 16, S8))
    made = with_sparse(graph, U200)
    assert type(made.node("y").op) is SparseConv2d
    sequence = random_inputs(rng, graph, 1)[0][0]
    assert np.array_equal(made.evaluate(sequence)[0], graph.evaluate(sequence)[0])


def layers(rng: np.random.Generator, densities: tuple[float, ...]) -> Graph:
    """A loop of `x -> W x` with weights of its own in each iteration."""
    x = TensorType(Length("n", 6), 64, S8)
    bodies = tuple(
        Graph({"x": x}, (Node("f", linear(Linear, kept(rng, 64, 64, d)), ("x",)),), ("f",), "layer") for d in densities
    )
    return Graph({"x0": x}, (Node("ring", Loop(bodies, 12, 2), ("x0",)),), ("ring",), "looped")


@pytest.mark.slow
def test_iterations_of_a_loop_share_hardware() -> None:
    """All become sparse or none; each takes as many rows as the densest."""
    rng = np.random.default_rng(7)
    assert with_sparse(layers(rng, (0.05, 0.9)), U200).nodes[0].op.bodies[0].node("f").op.name() == "linear"
    dense = layers(rng, (0.03, 0.08))
    graph = with_sparse(dense, U200)
    ops: list[Any] = [b.node("f").op for b in graph.nodes[0].op.bodies]  # type: ignore[attr-defined]
    assert all(type(o) is SparseLinear for o in ops)
    folding = Folding(simd=2, pe=4, banks=2)
    depths = [o.sparse(S8).depth(folding) for o in ops]
    assert depths[0] == depths[1] > replace(ops[0], others=()).sparse(S8).depth(folding)
    one = job(graph, {"ring": Folding(), "ring.f": folding}, random_inputs(rng, graph, 4))
    (result,) = run_all([one])
    assert_equal(one, result, executors()["golden"](one), "rtl")
    wanted = [dense.evaluate(s)[0] for s in one.inputs[0]]
    assert all(np.array_equal(a, b) for a, b in zip(result.outputs[0], wanted, strict=True))


def test_refusals() -> None:
    weight = kept(np.random.default_rng(8), 4, 12, 0.3)
    x = TensorType(N, 12, S8)
    for how, text in (({"reach": 3}, "1, 2, 4, 8, 16"), ({"reach": 8}, "divisor"), ({"block": 3}, "divisor")):
        with pytest.raises(GraphError, match=text):
            linear(SparseLinear, weight, **how).infer(x)
    with pytest.raises(GraphError, match="does not divide"):
        linear(SparseLinear, weight, reach=4).sparse(S8).check(Folding(simd=2, pe=1))
    with pytest.raises(GraphError, match="other iterations"):
        unlike = [linear(SparseLinear, w) for w in (weight, np.ones_like(weight))]
        SparseLinear.rtl_banked(Folding(simd=1, pe=1), unlike, [(x,)] * 2)
    with pytest.raises(GraphError, match="5 in iteration 1, 8 in iteration 0"):
        same, five = linear(SparseLinear, weight), TensorType(N, 12, Fixed(5, 4))
        SparseLinear.rtl_banked(Folding(simd=1, pe=1), [same] * 2, [(x,), (five,)])
