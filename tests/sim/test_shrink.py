# SPDX-License-Identifier: Apache-2.0
"""A failing job shrinks to the operator at fault and one sequence, and survives a file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gatewright.errors import DataError, SimulationError
from gatewright.sim.executors import Job, Run, executors
from gatewright.sim.fuzz import random_job
from gatewright.sim.shrink import differs, load, save, shrink

golden = executors()["golden"]


def wrong(name: str) -> object:
    """An executor whose every result behind an operator called `name` is off by one."""

    def run(job: Job) -> Run:
        result = golden(job)
        if not any(n.op.name() == name for n in job.graph.nodes):
            return result
        return replace(result, outputs=tuple([v + 1 for v in out] for out in result.outputs))

    return run


def cases(name: str) -> list[Job]:
    """Larger random jobs with that operator among others."""
    jobs = (random_job(seed) for seed in range(300))
    found = [j for j in jobs if len(j.graph.nodes) > 2 and any(n.op.name() == name for n in j.graph.nodes)]
    assert len(found) > 3
    return found[:8]


@pytest.mark.parametrize("name", ["relu", "linear", "layer_norm", "add"])
def test_shrinks_to_the_operator_at_fault(name: str) -> None:
    for job in cases(name):
        small = shrink(job, differs(wrong(name), golden))  # type: ignore[arg-type]
        assert [n.op.name() for n in small.graph.nodes] == [name]
        assert len(small.inputs[0]) == 1 and small.idle == small.stall == 0


def test_a_crash_is_kept_and_a_sound_job_is_not_touched() -> None:
    def broken(job: Job) -> Run:
        raise SimulationError("here", "stalled")

    job = cases("relu")[0]
    assert len(shrink(job, differs(broken, golden)).graph.nodes) == 1
    assert shrink(job, differs(golden, golden)) is job


def test_file(tmp_path: Path) -> None:
    for seed in range(40):
        job = random_job(seed)
        save(job, tmp_path / "deep" / "job.npz")
        again = load(tmp_path / "deep" / "job.npz")
        assert again.foldings == job.foldings and again.lengths == job.lengths and again.seed == job.seed
        for mine, theirs in zip(golden(again).outputs, golden(job).outputs, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))
    (tmp_path / "other.npz").write_bytes(b"no")
    with pytest.raises(DataError, match="cannot be read"):
        load(tmp_path / "other.npz")
