# SPDX-License-Identifier: Apache-2.0
"""The generated RTL under cocotb: every cycle from Python, with protocol monitors on every port and waveforms."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np

from gatewright.sim.beats import as_numbers, cut, from_numbers, pack
from gatewright.sim.executors import Job, Run

NAME = "cocotb"

JOB_VARIABLE = "GATEWRIGHT_JOB"
"""Path of the file by which the job reaches the simulation."""


def run(job: Job) -> Run:
    """Simulate the design; `job.waves` records an FST file."""
    from gatewright.sim.bench import run_bench

    design = job.rtl
    with tempfile.TemporaryDirectory(prefix="gatewright-job-") as name:
        folder = Path(name)
        library = {p.stem for p in design.library}
        sources = [path for path in design.write(folder / "rtl") if path.stem not in library]
        extra = [path for instance in design.instances.values() for path in instance.sources]
        sent = []
        for port, sequences in zip(design.inputs, job.inputs, strict=True):
            sent.append([as_numbers(pack(s, port.lanes, port.kind)) for s in sequences])
        counts = [int(sum(job.lengths[p.value])) * p.kind.channels // p.lanes for p in design.outputs]
        path = folder / "job.json"
        path.write_text(
            json.dumps(
                {
                    "inputs": sent,
                    "counts": counts,
                    "memory": as_numbers(design.memory.astype(np.uint32)),
                    "tagged": design.tagged,
                    "idle": job.idle,
                    "stall": job.stall,
                    "seed": job.seed,
                    "result": str(folder / "result.json"),
                }
            )
        )
        run_bench(
            design.name,
            "gatewright.sim.network",
            sources=[*sources, *extra],
            waves=job.waves,
            seed=job.seed,
            environment={JOB_VARIABLE: str(path)},
            timeout=1200,
        )
        result = json.loads((folder / "result.json").read_text())

    outputs = [
        cut(port, from_numbers(numbers, port.bits), lasts, job.lengths[port.value])
        for port, numbers, lasts in zip(design.outputs, result["outputs"], result["lasts"], strict=True)
    ]
    first = design.outputs[0]
    ends = np.cumsum(job.lengths[first.value]) * first.kind.channels // first.lanes - 1
    times = np.array(result["times"], np.int64)
    return Run(tuple(outputs), int(result["cycles"]), times[ends])
