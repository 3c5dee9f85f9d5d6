# SPDX-License-Identifier: Apache-2.0
"""TVM's kernels on this processor."""

from gatewright.lower.tvm.compiled import Compiled
from gatewright.sim.executors import Job, Run

NAME = "tvm"


def run(job: Job) -> Run:
    """One sequence after another; without a clock there are no cycles to count."""
    network = Compiled.of(job.graph)
    results = [network.run(*sequences) for sequences in zip(*job.inputs, strict=True)]
    return Run(tuple([r[o] for r in results] for o in range(len(job.graph.outputs))))
