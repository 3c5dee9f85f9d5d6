# SPDX-License-Identifier: Apache-2.0
"""Many small designs in one shared library: the price of compiling is mostly paid once per library."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.sim.executors import Job, Run
from gatewright.sim.library import Simulator, build


def run_all(jobs: Sequence[Job], optimise: str = "-O0") -> list[Run]:
    """Run every job in RTL. The designs share one library, and jobs of equal hardware one model in it."""
    designs = {job.rtl.text: job.rtl for job in jobs}
    order = list(designs)
    library = build(list(designs.values()), optimise)
    results = []
    for job in jobs:
        with Simulator(job.rtl, library, order.index(job.rtl.text), job.seed) as simulator:
            results.append(simulator.run(job.inputs, job.lengths, idle=job.idle, stall=job.stall, seed=job.seed))
    return results
