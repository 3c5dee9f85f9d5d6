# SPDX-License-Identifier: Apache-2.0
"""The golden meaning: `Graph.evaluate`, sequence by sequence."""

from gatewright.sim.executors import Job, Run

NAME = "golden"


def run(job: Job) -> Run:
    """Evaluate every sequence."""
    results = [job.graph.evaluate(*sequences) for sequences in zip(*job.inputs, strict=True)]
    return Run(tuple([r[o] for r in results] for o in range(len(job.graph.outputs))))
