# SPDX-License-Identifier: Apache-2.0
"""The cycle model against simulated RTL, on random graphs with a free flow at both ends."""

import dataclasses

import numpy as np
import pytest

from gatewright.lower.timing import cycles
from gatewright.ops.loop import Loop
from gatewright.sim.batch import run_all
from gatewright.sim.executors import Job
from gatewright.sim.fuzz import random_job

CASES, FIRST_SEED, LARGEST = 16, 100, 6


def small_jobs() -> dict[int, Job]:
    """Cases of at most `LARGEST` operators, by seed; loops are held to their cycles by `test_ring_timing`."""
    found: dict[int, Job] = {}
    seed = FIRST_SEED
    while len(found) < CASES:
        job = random_job(seed)
        apart = any(isinstance(n.op, Loop) for n in job.graph.nodes)
        if len(job.graph.nodes) <= LARGEST and not apart:
            found[seed] = dataclasses.replace(job, idle=0.0, stall=0.0)
        seed += 1
    return found


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
