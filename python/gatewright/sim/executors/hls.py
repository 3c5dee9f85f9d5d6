# SPDX-License-Identifier: Apache-2.0
"""The HLS kernels in C simulation with bounded streams: what a synthesiser would see, compiled with g++."""

from gatewright.sim.executors import Job, Run

NAME = "hls"


def run(job: Job) -> Run:
    """Simulate; g++ and the headers that hls4ml ships must be there."""
    from gatewright.sim.csim import run_all

    return run_all([job])[0]
