# SPDX-License-Identifier: Apache-2.0
"""Many small designs in one shared library: the price of compiling is mostly paid once per library."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.sim.executors import Job, Run
from gatewright.sim.library import Simulator, build


def run_all(jobs: Sequence[Job], optimise: str = "-O1") -> list[Run]:
    """Run every job in RTL; the designs share one library."""
    library = build([job.rtl for job in jobs], optimise)
    results = []
    for index, job in enumerate(jobs):
        with Simulator(job.rtl, library, index, job.seed) as simulator:
            results.append(simulator.run(job.inputs, job.lengths, idle=job.idle, stall=job.stall, seed=job.seed))
    return results
