# SPDX-License-Identifier: Apache-2.0
"""The generated RTL as a Verilated shared library: every sequence at full simulation speed."""

from gatewright.sim.executors import Job, Run
from gatewright.sim.library import Simulator

NAME = "rtl"


def run(job: Job) -> Run:
    """Simulate the design."""
    with Simulator(job.rtl, seed=job.seed) as simulator:
        return simulator.run(job.inputs, job.lengths, idle=job.idle, stall=job.stall, seed=job.seed)
