# SPDX-License-Identifier: Apache-2.0
"""cocotb test that plays one job through a generated design; started by the cocotb executor."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cocotb

from gatewright.lower.guard import TAG_BITS
from gatewright.sim.streams import STREAM, Harness

TAGS = 1 << TAG_BITS


@cocotb.test()
async def play(dut: object) -> None:
    """Load the weights, send every sequence, collect every result, check every port."""
    job = json.loads(Path(os.environ["GATEWRIGHT_JOB"]).read_text())
    harness = Harness(dut, job["seed"])
    tagged = job["tagged"]
    inward, outward = (("data", "last", "keep", "tag"), ("data", "last", "tag")) if tagged else (STREAM, STREAM)
    sources = [harness.source(f"s{i}", idle=job["idle"], fields=inward) for i in range(len(job["inputs"]))]
    sinks = [
        harness.sink(f"m{i}", stall=job["stall"], fields=outward if i == 0 else STREAM)
        for i in range(len(job["counts"]))
    ]
    errors = harness.sink("e", fields=("data",)) if tagged else None
    loader = harness.source("w", idle=job["idle"])
    await harness.start()
    if job["memory"]:
        loader.send_sequence(job["memory"])
        await harness.until(lambda: loader.empty, 20 * len(job["memory"]) + 1000)
    # The chain drains before the first token, so that cycle counts do not depend on the load.
    await harness.step(64)
    for source, sequences in zip(sources, job["inputs"], strict=True):
        for k, sequence in enumerate(sequences):
            side = (1, k % TAGS) if tagged else ()
            source.send([(word, int(i == len(sequence) - 1), *side) for i, word in enumerate(sequence)])
    total = sum(len(s) for sequences in job["inputs"] for s in sequences) + sum(job["counts"])
    await harness.finish(dict(zip(sinks, job["counts"], strict=True)), 100_000 + 5_000 * total)
    if errors is not None:
        assert not errors.beats, "the design rejected a sequence as malformed"
        tags = [beat[2] for beat in sinks[0].beats if beat[1]]
        assert tags == [k % TAGS for k in range(len(tags))], f"results carry the tags {tags}"
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
