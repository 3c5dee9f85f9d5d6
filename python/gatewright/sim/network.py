# SPDX-License-Identifier: Apache-2.0
"""cocotb test that plays one job through a generated design; started by the cocotb executor."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cocotb

from gatewright.sim.streams import Harness


@cocotb.test()
async def play(dut: object) -> None:
    """Load the weights, send every sequence, collect every result, check every port."""
    job = json.loads(Path(os.environ["GATEWRIGHT_JOB"]).read_text())
    harness = Harness(dut, job["seed"])
    sources = [harness.source(f"s{i}", idle=job["idle"]) for i in range(len(job["inputs"]))]
    sinks = [harness.sink(f"m{i}", stall=job["stall"]) for i in range(len(job["counts"]))]
    loader = harness.source("w", idle=job["idle"])
    await harness.start()
    if job["memory"]:
        loader.send_sequence(job["memory"])
        await harness.until(lambda: loader.empty, 20 * len(job["memory"]) + 1000)
    # The chain drains before the first token, so that cycle counts do not depend on the load.
    await harness.step(64)
    for source, sequences in zip(sources, job["inputs"], strict=True):
        for sequence in sequences:
            source.send_sequence(sequence)
    total = sum(len(s) for sequences in job["inputs"] for s in sequences) + sum(job["counts"])
    await harness.finish(dict(zip(sinks, job["counts"], strict=True)), 100_000 + 5_000 * total)
    start = min(source.taken[0] for source in sources)
    Path(job["result"]).write_text(
        json.dumps(
            {
                "outputs": [sink.words for sink in sinks],
                "lasts": [[i for i, beat in enumerate(sink.beats) if beat[1]] for sink in sinks],
                "times": [cycle - start for cycle in sinks[0].cycles],
                "cycles": max(sink.cycles[-1] for sink in sinks) - start + 1,
            }
        )
    )
