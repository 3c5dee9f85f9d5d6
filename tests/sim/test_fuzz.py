# SPDX-License-Identifier: Apache-2.0
"""Random graphs: golden equals RTL. GATEWRIGHT_FUZZ=3000 runs more; GATEWRIGHT_FUZZ_SEED=n starts elsewhere."""

import os

import pytest
from harness import assert_equal

from gatewright.sim.batch import run_all
from gatewright.sim.executors import executors
from gatewright.sim.fuzz import random_job

COUNT = int(os.environ.get("GATEWRIGHT_FUZZ", "300"))
FIRST = int(os.environ.get("GATEWRIGHT_FUZZ_SEED", "0"))
BATCH = 12


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, BATCH))
def test_golden_equals_rtl(first: int) -> None:
    """Random operators, shapes, widths 1 to 16, foldings, lengths and stalls; the seed is the case."""
    seeds = range(first, min(first + BATCH, FIRST + COUNT))
    jobs = [random_job(seed) for seed in seeds]
    for seed, job, result in zip(seeds, jobs, run_all(jobs), strict=True):
        print(f"seed {seed}: {job.graph}")
        assert_equal(job, result, executors()["golden"](job), f"seed {seed}")


def test_every_operator_is_fuzzed() -> None:
    """No operator of the library is left out of the random graphs."""
    from gatewright.graph import Op

    drawn = {type(n.op) for seed in range(400) for n in random_job(seed).graph.nodes}
    library = {op for op in Op.known.values() if op.__module__.startswith("gatewright.ops")}
    assert library == drawn & library, f"never drawn: {library - drawn}"
