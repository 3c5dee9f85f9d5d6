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
    """Cycles without a handshake that mean a stall: tokens may go round in a loop for long before one comes out."""
    if not job.rtl.tagged:
        return PATIENCE
    tokens = sum(len(s) for sequences in job.inputs for s in sequences)
    pace = max(
        bottleneck(job.graph, job.foldings, n) / n for n in {len(s) for sequences in job.inputs for s in sequences}
    )
    return PATIENCE + round(4 * pace * tokens)
