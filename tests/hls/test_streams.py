# SPDX-License-Identifier: Apache-2.0
"""Bounded streams in C simulation: a FIFO that is too shallow is a deadlock with its name in it, not a hang."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from harness import assert_equal, job

from gatewright.errors import FoldingError, MissingExtraError, SimulationError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Length, Node, TensorType
from gatewright.lower.hls.builder import program
from gatewright.lower.hls.program import Program
from gatewright.ops.add import Add
from gatewright.ops.conv1d import Conv1d
from gatewright.sim import csim
from gatewright.sim.csim import CSimulator, run_job
from gatewright.sim.executors import Job, executors
from gatewright.sim.fuzz import random_inputs

S8 = Fixed(8, 4)
SKIP = "x_rest_0"
"""The channel past the convolution."""


@pytest.fixture(scope="module")
def case() -> Job:
    """x + conv(x) with a window of nine tokens: the skip must hold those that the window waits for."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-8, 8, (2, 2, 9), dtype=np.int64)
    conv = Conv1d(weight, np.zeros(2, np.int64), np.full(2, 5), 4, S8, padding=(4,))
    nodes = (Node("c", conv, ("x",)), Node("y", Add.of(S8, S8, S8), ("x", "c")))
    graph = Graph({"x": TensorType(Length("n", 40), 2, S8)}, nodes, ("y",), "skip")
    foldings = {"c": Folding(lanes=2, simd=2, pe=2), "y": Folding(lanes=2)}
    return job(graph, foldings, random_inputs(rng, graph, 4))


def shallow(made: Program, name: str, depth: int) -> Program:
    channels = dict(made.channels)
    channels[name] = replace(channels[name], depth=depth)
    return replace(made, channels=channels)


def test_the_computed_depth_suffices_and_says_why(case: Job) -> None:
    made = program(case.graph, case.foldings)
    assert made.channels[SKIP].reason.startswith("11 tokens: input 0 of y: ")
    assert_equal(case, run_job(CSimulator(made), case), executors()["golden"](case), "hls")


def test_a_shallow_fifo_is_a_deadlock_with_a_name(case: Job) -> None:
    made = program(case.graph, case.foldings)
    simulator = CSimulator(shallow(made, SKIP, 2))
    longest = max(range(len(case.inputs[0])), key=lambda k: len(case.inputs[0][k]))
    sequence = case.inputs[0][longest]
    with pytest.raises(SimulationError) as caught:
        simulator.run([sequence], [len(sequence)])
    text = str(caught.value)
    assert "deadlock" in text and f"waits for room in FIFO {SKIP}, which holds 2" in text
    assert "y waits for data in FIFO c" in text
    # The simulator survives: a sequence shorter than the window's reach goes through.
    short = sequence[:1]
    (result,) = simulator.run([short], [1])
    assert np.array_equal(result, case.graph.evaluate(short)[0])


def test_results_of_another_length_are_an_error(case: Job) -> None:
    simulator = CSimulator(program(case.graph, case.foldings))
    sequence = case.inputs[0][0]
    with pytest.raises(SimulationError, match=f"{2 * len(sequence)} elements of y"):
        simulator.run([sequence], [len(sequence) + 1])
    with pytest.raises(SimulationError, match="more results than expected"):
        simulator.run([sequence], [0])


def test_a_missing_folding_is_named(case: Job) -> None:
    with pytest.raises(FoldingError, match="node y: no folding"):
        program(case.graph, {"c": case.foldings["c"]})


def test_a_folding_that_does_not_divide_is_named(case: Job) -> None:
    with pytest.raises(FoldingError, match=r"node c: simd: 4 does not divide 18 inputs"):
        program(case.graph, {**case.foldings, "c": Folding(lanes=2, simd=4, pe=2)})


def test_without_hls4ml_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csim.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"hls4ml: not installed(.|\n)*gatewright\[hls\]"):
        csim.ap_types()
