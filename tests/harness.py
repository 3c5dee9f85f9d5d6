# SPDX-License-Identifier: Apache-2.0
"""One harness for every operator: give it an operator and types, and each executor must equal golden."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewright.errors import NotExpressibleError
from gatewright.fixed import Ints
from gatewright.graph import Folding, Graph, Node, Op, TensorType
from gatewright.sim.batch import run_all
from gatewright.sim.executors import Job, Run, executors
from gatewright.sim.fuzz import random_inputs

STALLS = ((0.0, 0.0), (0.4, 0.4))


def single(op: Op, *types: TensorType) -> Graph:
    """The graph of one operator."""
    inputs = {f"x{i}": t for i, t in enumerate(types)}
    return Graph(inputs, (Node("y", op, tuple(inputs)),), ("y",), op.name())


def job(
    graph: Graph, foldings: dict[str, Folding], inputs: Sequence[Sequence[Ints]], stall: float = 0.0, seed: int = 1
) -> Job:
    """A job with the result lengths that golden gives."""
    results = [graph.evaluate(*s) for s in zip(*inputs, strict=True)]
    lengths = {o: [len(r[k]) for r in results] for k, o in enumerate(graph.outputs)}
    return Job(graph, foldings, inputs, lengths, stall, stall, seed)


def assert_equal(one: Job, result: Run, golden: Run, name: str) -> None:
    """Every integer of every output and sequence is the same."""
    for value, got, want in zip(one.graph.outputs, result.outputs, golden.outputs, strict=True):
        assert len(got) == len(want)
        for k, (g, w) in enumerate(zip(got, want, strict=True)):
            wrong = int(np.sum(g != w))
            assert wrong == 0, f"{name}: {wrong} of {w.size} integers of {value}, sequence {k}, differ from golden"


def check_operator(
    op: Op,
    *types: TensorType,
    foldings: Sequence[Folding] | None = None,
    sequences: int = 5,
    seed: int = 0,
    every_executor: bool = True,
) -> None:
    """Run `op` alone in every executor, over foldings and stalls, on random and extreme data.

    Args:
        foldings: to try; default the first, middle and last legal one.
        sequences: per run; the shortest and longest lengths are among them.
        every_executor: also run the executors that build one program per design (cocotb), once.
    """
    graph = single(op, *types)
    rng = np.random.default_rng(seed)
    print(f"{op.describe()} on {', '.join(map(str, types))}: seed {seed}")
    if foldings is None:
        legal = list(op.foldings(*types))
        foldings = list(dict.fromkeys([legal[0], legal[len(legal) // 2], legal[-1]]))
    inputs = random_inputs(rng, graph, sequences)
    jobs = [job(graph, {"y": f}, inputs, stall) for f in foldings for stall, _ in STALLS]
    golden = executors()["golden"](jobs[0])
    for one, result in zip(jobs, run_all(jobs), strict=True):
        assert_equal(one, result, golden, f"rtl {one.foldings['y']} stall {one.stall}")
    if every_executor:
        for name, run in executors().items():
            try:
                result = run(jobs[-1])
            except NotExpressibleError as error:
                print(f"{name} not run: {error.problem}")
                continue
            assert_equal(jobs[-1], result, golden, name)
