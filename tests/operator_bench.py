# SPDX-License-Identifier: Apache-2.0
"""cocotb tests that every one-input operator shares: its module equals `evaluate`, whatever the two sides do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Folding, Op, TensorType, least_tokens, most_tokens
from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.pipeline import Operator, Pipeline, Source
from gatewright.sim.beats import as_numbers, from_numbers, pack, unpack
from gatewright.sim.bench import run_bench
from gatewright.sim.fuzz import random_sequence
from gatewright.sim.streams import Harness, Pace, Sink

CASE = "GATEWRIGHT_CASE"
LIMIT = 200_000
"""Cycles after which a bench gives up."""


@dataclass(frozen=True, eq=False)
class Case:
    """An operator on an input type, folded.

    Attributes:
        slack: largest relative error of the predicted cycle count; 0 where the model is exact.
    """

    op: Op
    x: TensorType
    folding: Folding
    slack: float = 0.0

    @property
    def y(self) -> TensorType:
        """Type of the result."""
        return self.op.infer(self.x)


Cases = Mapping[str, Case]


def run_case(bench: str, cases: Cases, name: str) -> None:
    """Simulate the module of one case under the tests of the file `bench`."""
    case = cases[name]
    instance = case.op.rtl(case.folding, case.x)
    assert instance is not None and instance.module == Path(bench).parent.name
    run_bench(instance.module, bench, instance.parameters, environment={CASE: name})


class OperatorBench:
    """The case under test, with its module's ports."""

    def __init__(self, dut: Any, cases: Cases, pace: Pace = Pace()) -> None:
        self.case = cases[os.environ[CASE]]
        self.harness = Harness(dut)
        self.rng = np.random.default_rng(self.harness.seed)
        self.source = self.harness.source(idle=pace.idle)
        self.sink: Sink = self.harness.sink(stall=pace.stall, patient=pace.patient)
        instance = self.case.op.rtl(self.case.folding, self.case.x)
        assert instance is not None
        self.memory, self.in_lanes, self.out_lanes = instance.memory, instance.in_lanes[0], instance.out_lanes
        if self.memory is not None:
            self.loader = self.harness.source("w", idle=pace.idle / 2)
            self.harness.sink("x")

    def sequences(self, count: int) -> list[Ints]:
        """Random sequences; the shortest and the longest are among them."""
        least, most = least_tokens(self.case.x.tokens), most_tokens(self.case.x.tokens)
        lengths = [least, most, least, *self.rng.integers(least, most + 1, count)][:count]
        return [random_sequence(self.rng, self.case.x, int(n)) for n in lengths]

    async def load(self) -> None:
        """Send the weights, if there are any; the chain drains before the first token."""
        if self.memory is not None:
            self.loader.send_sequence([int(word) for word in self.memory])
            await self.harness.until(lambda: self.loader.empty, 100 * len(self.memory) + 1000)
            await self.harness.step(64)

    def send(self, sequence: Ints) -> None:
        """Queue one sequence."""
        self.source.send_sequence(as_numbers(pack(sequence, self.in_lanes, self.case.x)))

    async def check(self, sequences: list[Ints]) -> None:
        """Send the sequences back to back; every integer and every `last` of the results must be right."""
        wanted = [self.case.op.evaluate(s) for s in sequences]
        for sequence in sequences:
            self.send(sequence)
        y = self.case.y
        beats = sum(w.size for w in wanted) // self.out_lanes
        await self.harness.finish({self.sink: beats}, LIMIT)
        got = [unpack(from_numbers(words, self.out_lanes * y.fixed.width), self.out_lanes, y)
               for words in self.sink.sequences()]
        assert [len(g) for g in got] == [len(w) for w in wanted]
        for k, (g, w) in enumerate(zip(got, wanted, strict=True)):
            assert np.array_equal(g, w), f"sequence {k}: {np.sum(g != w)} of {w.size} integers are wrong"

    def predicted(self, lengths: list[int]) -> int:
        """Cycles that the model gives for the batch."""
        case, kinds = self.case, sorted(set(lengths))
        source = Source("x", tuple(kinds), case.x.channels // self.in_lanes)
        stages = tuple(tuple(case.op.stages(case.folding, n, case.x)) for n in kinds)
        pipeline = Pipeline((source,), (Operator("y", ("x",), stages),), ("y",))
        return simulate(pipeline, [kinds.index(n) for n in lengths]).cycles


async def check_pace(dut: Any, cases: Cases, pace: Pace) -> None:
    """Seven sequences under one pattern of pauses and back-pressure."""
    bench = OperatorBench(dut, cases, pace)
    await bench.harness.start()
    await bench.load()
    await bench.check(bench.sequences(7))


async def check_reset(dut: Any, cases: Cases, cycles: int) -> None:
    """A reset in the middle of a sequence leaves nothing behind."""
    bench = OperatorBench(dut, cases, Pace(0.2, 0.3))
    await bench.harness.start()
    await bench.load()
    for sequence in bench.sequences(3):
        bench.send(sequence)
    await bench.harness.step(cycles)
    await bench.harness.reset(1)
    await bench.load()
    await bench.check(bench.sequences(3))


async def check_cycles(dut: Any, cases: Cases) -> None:
    """Without pauses, as many cycles as the model predicts, from the first input beat to the last output beat."""
    bench = OperatorBench(dut, cases)
    await bench.harness.start()
    await bench.load()
    sequences = bench.sequences(6)
    await bench.check(sequences)
    cycles = bench.sink.cycles[-1] - bench.source.taken[0] + 1
    predicted = bench.predicted([len(s) for s in sequences])
    print(f"{cycles} cycles, {predicted} predicted")
    assert abs(cycles - predicted) <= bench.case.slack * cycles, f"{cycles} cycles, {predicted} predicted"
