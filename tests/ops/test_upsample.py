# SPDX-License-Identifier: Apache-2.0
"""Larger images: golden against torch, the type rule, every executor, and cycles as the model says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from harness import assert_equal, check_operator, job, single

from gatewright.errors import GraphError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, TensorType, from_dict, to_dict
from gatewright.ops.upsample import Upsample
from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.pipeline import Operator, Pipeline, Source
from gatewright.sim.batch import run_all
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_inputs

S8 = Fixed(8, 4)


@pytest.mark.parametrize("size", [(3, 4), (1, 5)])
def test_copies_are_the_nearest_neighbour(size: tuple[int, int]) -> None:
    x = torch.arange(3 * size[0] * size[1], dtype=torch.float64).reshape(1, 3, *size)
    want = torch.nn.functional.interpolate(x, scale_factor=(2, 3))
    op = Upsample((2, 3), False, *size)
    found = op.evaluate(x[0].reshape(3, -1).T.numpy().astype(np.int64))
    assert np.array_equal(found, want[0].reshape(3, -1).T.numpy())


@pytest.mark.parametrize("factor", [2, 3])
def test_blocks_are_pixel_shuffle(factor: int) -> None:
    channels = 2 * factor * factor
    x = torch.arange(channels * 12, dtype=torch.float64).reshape(1, channels, 3, 4)
    want = torch.nn.functional.pixel_shuffle(x, factor)
    op = Upsample((factor, factor), True, 3, 4)
    found = op.evaluate(x[0].reshape(channels, -1).T.numpy().astype(np.int64))
    assert np.array_equal(found, want[0].reshape(2, -1).T.numpy())


def test_type_rule() -> None:
    op = Upsample((2, 3), True, 3, 4)
    assert op.infer(TensorType(12, 18, S8)) == TensorType(72, 3, S8)
    with pytest.raises(GraphError, match=r"upsample.blocks: 8 channels(.|\n)*a multiple of 6"):
        op.infer(TensorType(12, 8, S8))
    with pytest.raises(GraphError, match=r"upsample.height: 11 tokens(.|\n)*3 x 4 = 12 tokens"):
        op.infer(TensorType(11, 6, S8))
    with pytest.raises(GraphError, match=r"upsample.height: n tokens"):
        op.infer(TensorType(Length("n", 12), 6, S8))
    with pytest.raises(GraphError, match=r"upsample.scale: \(1, 1\)"):
        Upsample((1, 1), False, 3, 4).infer(TensorType(12, 6, S8))
    data, arrays = to_dict(single(op, TensorType(12, 18, S8)))
    assert from_dict(data, arrays).nodes[0].op == op


def test_every_executor() -> None:
    check_operator(Upsample((2, 2), True, 3, 3), TensorType(9, 8, Fixed(5, 0)), foldings=[Folding(lanes=1)])


CASES = [
    (Upsample((2, 2), False, 3, 5), TensorType(15, 4, S8), Folding(lanes=2)),
    (Upsample((3, 2), True, 2, 4), TensorType(8, 12, S8), Folding(lanes=1)),
    (Upsample((1, 3), False, 1, 7), TensorType(7, 2, S8), Folding(lanes=1)),
    (Upsample((2, 1), True, 4, 1), TensorType(4, 6, S8), Folding(lanes=3)),
]


def test_cycles_are_as_predicted() -> None:
    """Exactly, and with stalls the integers are the same."""
    rng = np.random.default_rng(0)
    data = [random_inputs(rng, single(op, kind), 4) for op, kind, _ in CASES]
    jobs = [
        job(single(op, kind), {"y": folding}, inputs, stall)
        for (op, kind, folding), inputs in zip(CASES, data, strict=True)
        for stall in (0.0, 0.4)
    ]
    runs = run_all(jobs)
    for one, run in zip(jobs, runs, strict=True):
        assert_equal(one, run, executors()["golden"](one), one.graph.nodes[0].op.describe())
    for (op, kind, folding), run in zip(CASES, runs[::2], strict=True):
        assert isinstance(kind.tokens, int)
        stages = tuple(op.stages(folding, kind.tokens, kind))
        source = Source("x0", (kind.tokens,), kind.channels // op.ports(folding, kind)[0])
        model = simulate(Pipeline((source,), (Operator("y", ("x0",), (stages,)),), ("y",)), [0] * 4).cycles
        assert run.cycles == model, f"{op.describe()}: {run.cycles} cycles, {model} predicted"
