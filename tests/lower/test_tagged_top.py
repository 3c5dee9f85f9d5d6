# SPDX-License-Identifier: Apache-2.0
"""A generated design with a loop: malformed sequences and a reset in the middle lose no other sequence."""

import json
import os
import random
import tempfile
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from ops.test_loop import X, first_foldings, looped

from gatewright.lower.rtl import lower
from gatewright.sim.beats import as_numbers, pack
from gatewright.sim.bench import run_bench
from gatewright.sim.fuzz import random_sequence
from gatewright.sim.streams import Harness

PLAN = "GATEWRIGHT_PLAN"
TOO_LONG, EMPTY, UNFINISHED = 0, 1, 2
GOOD = -1


class Top:
    """The design with its load done."""

    def __init__(self, dut: Any, idle: float = 0.0, stall: float = 0.0) -> None:
        self.plan = json.loads(Path(os.environ[PLAN]).read_text())
        self.bench = Harness(dut)
        self.source = self.bench.source("s0", idle, ("data", "last", "keep", "tag"))
        self.sink = self.bench.sink("m0", stall, fields=("data", "last", "tag"))
        self.errors = self.bench.sink("e", fields=("data",))
        self.loader = self.bench.source("w")

    async def load(self) -> None:
        self.loader.send_sequence(self.plan["memory"])
        await self.bench.until(lambda: self.loader.empty, 20_000)
        await self.bench.step(64)

    def send(self, words: list[int], tag: int, kind: int = GOOD) -> None:
        """Queue a sequence, or what is wrong with it."""
        if kind == EMPTY:
            self.source.send([(0, 1, 0, tag)])
        else:
            final = len(words) - 1 if kind != UNFINISHED else -1
            self.source.send([(word, int(i == final), 1, tag) for i, word in enumerate(words)])

    async def expect(self, good: list[tuple[int, list[int]]], bad: list[tuple[int, int]]) -> None:
        """Results of the good sequences with their tags, in order; one error with cause and tag for each bad one."""
        beats = sum(len(words) for _, words in good)
        await self.bench.finish({self.sink: beats, self.errors: len(bad)}, 100_000)
        wanted = [(w, int(i == len(words) - 1), tag) for tag, words in good for i, w in enumerate(words)]
        assert self.sink.beats == wanted
        assert [(e[0] >> 6, e[0] & 63) for e in self.errors.beats] == bad


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(idle=[0.0, 0.5], stall=[0.0, 0.5])
async def malformed(dut: Any, idle: float, stall: float) -> None:
    """Every kind of malformed sequence between good ones."""
    top = Top(dut, idle, stall)
    await top.bench.start()
    await top.load()
    draw = random.Random(f"{top.bench.seed} {idle} {stall}")
    good, bad = [], []
    for k in range(40):
        case, tag = draw.choice(top.plan["cases"]), k % 64
        kind = draw.choice([GOOD, GOOD, TOO_LONG, EMPTY, UNFINISHED]) if k < 39 else GOOD
        if kind == GOOD:
            good.append((tag, case["out"]))
        else:
            bad.append((kind, tag))
        top.send(top.plan["long"] if kind == TOO_LONG else case["in"], tag, kind)
    await top.expect(good, bad)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(cycles=[3, 60, 400, 1500])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    """Everything under way is forgotten; what comes after the reset and a new load is right."""
    top = Top(dut, stall=0.2)
    await top.bench.start()
    await top.load()
    for tag, case in enumerate(top.plan["cases"]):
        top.send(case["in"], tag)
    await top.bench.step(cycles)
    await top.bench.reset(1)
    await top.load()
    top.sink.reset()
    top.errors.reset()
    for tag, case in enumerate(top.plan["cases"]):
        top.send(case["in"], tag + 9)
    await top.expect([(tag + 9, case["out"]) for tag, case in enumerate(top.plan["cases"])], [])


def test_tagged_top() -> None:
    graph = looped(seed=5)
    foldings = first_foldings(graph)
    design = lower(graph, foldings)
    rng = np.random.default_rng(7)
    lanes, out = design.inputs[0].lanes, design.outputs[0]

    def words(tokens: int) -> tuple[list[int], list[int]]:
        x = random_sequence(rng, X, tokens)
        return as_numbers(pack(x, lanes, X)), as_numbers(pack(graph.evaluate(x)[0], out.lanes, out.kind))

    cases = [dict(zip(("in", "out"), words(n), strict=True)) for n in (1, 9, 3, 5, 2, 9)]
    too_long = as_numbers(pack(random_sequence(rng, X, 13), lanes, X))
    plan = {"memory": as_numbers(design.memory.astype(np.uint32)), "cases": cases, "long": too_long}
    with tempfile.TemporaryDirectory(prefix="gatewright-plan-") as name:
        folder = Path(name)
        (folder / "plan.json").write_text(json.dumps(plan))
        library = {p.stem for p in design.library}
        sources = [p for p in design.write(folder / "rtl") if p.stem not in library]
        run_bench(design.name, __file__, sources=sources, environment={PLAN: str(folder / "plan.json")})
