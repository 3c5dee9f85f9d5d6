# SPDX-License-Identifier: Apache-2.0
"""Cycle counts of the windowed operators at full speed, against what their `stages` predict."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from harness import assert_equal, job, single

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, Op, TensorType, least_tokens, most_tokens
from gatewright.ops.average_pool import AveragePool
from gatewright.ops.conv1d import Conv1d
from gatewright.ops.conv2d import Conv2d
from gatewright.ops.global_pool import GlobalPool, Kind
from gatewright.ops.max_pool import MaxPool
from gatewright.ops.roll import Roll
from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.pipeline import Operator, Pipeline, Source
from gatewright.sim.batch import run_all
from gatewright.sim.executors import Job, executors
from gatewright.sim.fuzz import random_sequence

pytestmark = pytest.mark.slow

S8 = Fixed(8, 4)
N = Length("n", 23, 3)


def weights(outs: int, *shape: int) -> dict[str, Any]:
    rng = np.random.default_rng(sum(shape))
    weight = rng.integers(-128, 128, (outs, *shape), dtype=np.int64)
    none = np.zeros(outs, np.int64)
    return {"weight": weight, "bias": none, "shift": none + 8, "weight_width": 8, "output": S8}


# (operator, input type, folding, largest relative error). The model lets the window run one position further
# ahead of the matrix unit than the hardware does, hence the errors where both are about equally busy.
CASES: list[tuple[Op, TensorType, Folding, float]] = [
    (MaxPool((2, 2), (2, 2), (0, 0), (1, 1), 6, 8), TensorType(48, 6, S8), Folding(lanes=3), 0),
    (MaxPool((3, 2), (1, 2), (1, 0, 1, 1), (1, 1), 5, 4), TensorType(20, 2, S8), Folding(lanes=1), 0),
    (MaxPool((3,), (2,), (1,), (1,)), TensorType(N, 4, S8), Folding(lanes=2), 0.05),
    (AveragePool((2, 3), (1, 2), (1, 1), 0, S8, 5, 4), TensorType(20, 2, S8), Folding(lanes=1), 0),
    (GlobalPool(Kind.AVERAGE, 23, 0, S8), TensorType(N, 6, S8), Folding(lanes=2), 0),
    (GlobalPool(Kind.MAX, 48, 0, S8), TensorType(48, 6, S8), Folding(lanes=6), 0),
    (Conv1d(**weights(4, 3, 3), padding=(1,)), TensorType(N, 3, S8), Folding(3, 9, 4), 0),
    (Conv1d(**weights(4, 4, 2), stride=(3,), dilation=(2,)), TensorType(N, 4, S8), Folding(2, 4, 1), 0),
    # two banks hold two sequences; the model counts tokens, so that it lets more short ones in
    (Conv1d(**weights(3, 2, 4), padding=(2, 1), circular=True), TensorType(N, 2, S8), Folding(1, 4, 3), 0.15),
    # what is added behind is the sequence's own head, which goes round where it is longer than the sequence
    (
        Conv1d(**weights(3, 2, 3), padding=(0, 4), dilation=(2,), circular=True),
        TensorType(N, 2, S8),
        Folding(1, 3, 3),
        0,
    ),
    (Roll(2), TensorType(N, 4, S8), Folding(2), 0),
    # LeNet's first layer at an initiation interval of 1, then folded until the matrix unit is the slower one
    (Conv2d(**weights(6, 1, 5, 5), height=12, width=12, padding=(2, 2)), TensorType(144, 1, S8), Folding(1, 25, 6), 0),
    (
        Conv2d(**weights(6, 1, 5, 5), height=12, width=12, padding=(2, 2)),
        TensorType(144, 1, S8),
        Folding(1, 5, 2),
        0.05,
    ),
    (Conv2d(**weights(4, 2, 3, 3), height=6, width=7), TensorType(42, 2, S8), Folding(2, 18, 2), 0.08),
    (
        Conv2d(**weights(6, 1, 3, 3), height=5, width=5, groups=6, padding=(0, 1, 2, 1)),
        TensorType(25, 6, S8),
        Folding(1, 3, 1),
        0.06,
    ),
    (
        Conv2d(**weights(4, 4, 2, 3), height=5, width=6, padding=(1, 2), circular=True),
        TensorType(30, 4, S8),
        Folding(1, 12, 4),
        0.05,
    ),
]


def predicted(one: Job, kind: TensorType) -> int:
    """Cycles of the job by the cycle model."""
    op, folding = one.graph.nodes[0].op, one.foldings["y"]
    lengths = [len(s) for s in one.inputs[0]]
    kinds = sorted(set(lengths))
    source = Source("x0", tuple(kinds), kind.channels // one.rtl.inputs[0].lanes)
    stages = tuple(tuple(op.stages(folding, n, kind)) for n in kinds)
    pipeline = Pipeline((source,), (Operator("y", ("x0",), stages),), ("y",))
    return simulate(pipeline, [kinds.index(n) for n in lengths]).cycles


def test_cycles_are_as_predicted() -> None:
    rng = np.random.default_rng(0)
    jobs = []
    for op, kind, folding, _ in CASES:
        least, most = least_tokens(kind.tokens), most_tokens(kind.tokens)
        lengths = [least, most, least, *(int(n) for n in rng.integers(least, most + 1, 3))]
        jobs.append(job(single(op, kind), {"y": folding}, [[random_sequence(rng, kind, n) for n in lengths]]))
    for one, run, (op, kind, folding, slack) in zip(jobs, run_all(jobs), CASES, strict=True):
        assert_equal(one, run, executors()["golden"](one), op.name())
        model = predicted(one, kind)
        report = f"{op.describe()}, {folding}: {run.cycles} cycles, {model} predicted"
        print(report)
        assert abs(run.cycles - model) <= slack * run.cycles, report
