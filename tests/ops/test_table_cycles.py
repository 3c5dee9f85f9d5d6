# SPDX-License-Identifier: Apache-2.0
"""Cycle counts of tables, norms and look-ups at full speed are what their `stages` predict."""

import numpy as np
import pytest
from harness import assert_equal, job, single
from ops.test_window_cycles import predicted

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Length, Op, TensorType
from gatewright.ops._functions import Kind
from gatewright.ops.embedding import Embedding
from gatewright.ops.layer_norm import LayerNorm
from gatewright.ops.mad_norm import MadNorm
from gatewright.ops.pwl import Pwl
from gatewright.sim.batch import run_all
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_sequence

pytestmark = pytest.mark.slow

N = Length("n", 23)
S10, S16, U5 = Fixed(10, 6), Fixed(16, 10), Fixed(5, 0, signed=False)
GAMMA, TABLE = np.arange(1, 25), np.arange(240).reshape(20, 12)
CASES: list[tuple[Op, TensorType, Folding]] = [
    (Pwl.of(Kind.GELU, S10, Fixed(8, 4)), TensorType(N, 6, S10), Folding(lanes=2)),
    (LayerNorm(GAMMA, GAMMA, 3, 12, S16), TensorType(N, 24, S16), Folding(lanes=4)),
    (LayerNorm(GAMMA, GAMMA, 3, 12, S16, centred=False), TensorType(N, 24, S16), Folding(lanes=24)),
    (MadNorm(GAMMA, GAMMA, 3, 12, S16), TensorType(N, 24, S16), Folding(lanes=4)),
    (MadNorm(GAMMA, GAMMA, 3, 12, S16), TensorType(N, 24, S16), Folding(lanes=24)),
    (Embedding(TABLE, np.zeros((0, 12), np.int64), 0, 0, S16), TensorType(N, 1, U5), Folding(pe=3)),
    (Embedding(TABLE, np.ones((23, 12), np.int64), 0, 0, S16), TensorType(N, 1, U5), Folding(pe=12)),
]


def test_cycles_are_as_predicted() -> None:
    rng = np.random.default_rng(0)
    jobs = [
        job(single(op, kind), {"y": folding}, [[random_sequence(rng, kind, n) for n in (1, 23, 1, 1, 9, 4)]])
        for op, kind, folding in CASES
    ]
    for one, run, (op, kind, folding) in zip(jobs, run_all(jobs), CASES, strict=True):
        assert_equal(one, run, executors()["golden"](one), op.name())
        assert run.cycles == predicted(one, kind), f"{op.describe()}, {folding}"
