# SPDX-License-Identifier: Apache-2.0
"""Many small designs in one shared library: the price of compiling is mostly paid once per library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gatewright.errors import NotExpressibleError
from gatewright.sim import csim
from gatewright.sim.executors import Job, Run, executors
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


def everywhere(jobs: Sequence[Job], skip: Sequence[str] = ()) -> Iterator[tuple[str, list[Run | NotExpressibleError]]]:
    """Every job in every executor, but those in `skip`, with the jobs that an executor cannot express."""
    together = {"rtl": run_all, "hls": csim.run_all}
    for name, run in executors().items():
        if name in skip:
            continue
        yield name, list(together[name](jobs)) if name in together else [_attempt(run, job) for job in jobs]


def _attempt(run: Callable[[Job], Run], job: Job) -> Run | NotExpressibleError:
    try:
        return run(job)
    except NotExpressibleError as error:
        return error
