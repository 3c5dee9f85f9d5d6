# SPDX-License-Identifier: Apache-2.0
"""The generated RTL as a Verilated shared library: every sequence at full simulation speed."""

from gatewright.schedule import bottleneck
from gatewright.sim.executors import Job, Run
from gatewright.sim.library import PATIENCE, Simulator

NAME = "rtl"


def run(job: Job) -> Run:
    """Simulate the design."""
    with Simulator(job.rtl, seed=job.seed) as simulator:
        return simulator.run(
            job.inputs, job.lengths, idle=job.idle, stall=job.stall, seed=job.seed, patience=patience(job)
        )


def patience(job: Job) -> int:
    """Cycles without a handshake that mean a stall.

    In a loop tokens may go round for long before one comes out; without one, each operator may have to wait for all
    that the one before it does.
    """
    sequences = [len(s) for sequences in job.inputs for s in sequences]
    slowest = {n: bottleneck(job.graph, job.foldings, n) for n in set(sequences)}
    if not job.rtl.tagged:
        return PATIENCE + round(2 * len(job.graph.nodes) * max(slowest.values(), default=0))
    pace = max(cycles / n for n, cycles in slowest.items())
    return PATIENCE + round(4 * pace * sum(sequences))
