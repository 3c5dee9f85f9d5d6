# SPDX-License-Identifier: Apache-2.0
"""Random graphs: golden equals every executor. GATEWRIGHT_FUZZ=3000 runs more; GATEWRIGHT_FUZZ_SEED=n starts elsewhere.

A failing case is shrunk and saved under build/fuzz; `gatewright.sim.shrink.load` reads it.
"""

import os
from collections import Counter
from pathlib import Path

import pytest
from harness import assert_equal

from gatewright.errors import NotExpressibleError
from gatewright.graph import Op
from gatewright.ops.relu import Relu
from gatewright.sim.batch import everywhere, run_all
from gatewright.sim.executors import Job, Run, executors
from gatewright.sim.fuzz import library, random_job
from gatewright.sim.shrink import differs, save, shrink

COUNT = int(os.environ.get("GATEWRIGHT_FUZZ", "84"))
FIRST = int(os.environ.get("GATEWRIGHT_FUZZ_SEED", "0"))
BATCH, SHARE = 12, 5
"""Graphs per build, and of how many graphs one also runs in the executors other than RTL."""
KEPT = Path("build/fuzz")


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT, BATCH))
def test_golden_equals_rtl(first: int) -> None:
    """Random operators, shapes, widths 1 to 16, foldings, lengths and stalls; the seed is the case."""
    seeds = range(first, min(first + BATCH, FIRST + COUNT))
    jobs = [random_job(seed) for seed in seeds]
    for seed, job, result in zip(seeds, jobs, run_all(jobs), strict=True):
        print(f"seed {seed}: {job.graph}")
        check("rtl", seed, job, result, executors()["golden"](job))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(FIRST, FIRST + COUNT // SHARE, BATCH))
def test_golden_equals_every_other_executor(first: int) -> None:
    """The first of the same graphs. cocotb builds a program per design; `check_operator` and the examples run it."""
    seeds = range(first, min(first + BATCH, FIRST + COUNT // SHARE))
    jobs = [random_job(seed) for seed in seeds]
    golden = [executors()["golden"](job) for job in jobs]
    ran = Counter[str]()
    for name, results in everywhere(jobs, skip=("golden", "rtl", "cocotb")):
        for seed, job, result, wanted in zip(seeds, jobs, results, golden, strict=True):
            if not isinstance(result, NotExpressibleError):
                check(name, seed, job, result, wanted)
                ran[name] += 1
    print(f"seeds {first} to {seeds[-1]}: {dict(ran)}")
    assert all(ran[name] == len(jobs) for name in ("hls", "tvm")) and ran["qonnx"]


def check(name: str, seed: int, job: Job, result: Run, wanted: Run) -> None:
    """Equal, or a smaller case of the difference in a file."""
    try:
        assert_equal(job, result, wanted, f"{name}, seed {seed}")
    except AssertionError as error:
        small = shrink(job, differs(executors()[name], executors()["golden"]))
        save(small, KEPT / f"{name}-{seed}.npz")
        raise AssertionError(f"{error}\nshrunk and saved as {KEPT / f'{name}-{seed}.npz'}:\n{small.graph}") from None


def test_every_operator_is_fuzzed() -> None:
    """No operator of the library is left out of the random graphs."""
    drawn = {type(n.op) for seed in range(400) for n in random_job(seed).graph.nodes}
    assert drawn == set(library()), f"never drawn: {set(library()) - drawn}"


def test_a_seed_means_the_same_beside_other_operators() -> None:
    """Somebody's own operator, or a test's, is not drawn, and moves no other draw."""
    wanted = [str(random_job(seed).graph) for seed in range(5)]
    type("Aaa", (Relu,), {"__module__": "elsewhere"})
    try:
        assert "aaa" in Op.known and [str(random_job(seed).graph) for seed in range(5)] == wanted
    finally:
        del Op.known["aaa"]
