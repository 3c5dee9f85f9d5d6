# SPDX-License-Identifier: Apache-2.0
"""A whole pass at once gives the cycles of one token after another, and refuses what it cannot solve."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduler.test_ring import Clocked, encoder, rings

from gatewright.errors import SimulationError
from gatewright.scheduler import bulk, link, ring_machine
from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.pipeline import Memory, Operator, Pipeline, Source, Stage, as_json, from_json
from gatewright.scheduler.ring import Ring, RingPrediction, simulate_ring


def at_once(model: Ring, order: list[int], kept: int = link.KEPT) -> tuple[RingPrediction, list[bool]]:
    """With every returned pass solved at once, and whether each was."""
    solved = []

    def settle(*places: object) -> bool:
        solved.append(original(*places))  # type: ignore[arg-type]
        return solved[-1]

    original = bulk.settle
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring_machine, "BULK", 1)
        patch.setattr(link, "KEPT", kept)
        patch.setattr(bulk, "settle", settle)
        return simulate_ring(model, order), solved


def one_by_one(model: Ring, order: list[int]) -> RingPrediction:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ring_machine, "BULK", 1 << 60)
        return simulate_ring(model, order)


@given(rings(), st.integers(1, 3), st.sampled_from([1, 4096]))
@settings(max_examples=200, deadline=None)
def test_equal_on_random_rings(clocked: Clocked, times: int, kept: int) -> None:
    order = clocked.order * times
    found, _ = at_once(clocked.ring, order, kept)
    assert found == one_by_one(clocked.ring, order)


def layer(lengths: tuple[int, ...], rng: np.random.Generator) -> Pipeline:
    """A layer with a skip, attention whose memory is short, irregular intervals, and joins; random paces."""
    a, b, c, d = (int(n) for n in rng.integers(2, 30, 4))
    memory = Memory(max(lengths) // 4 + 2, 4, 3, int(rng.integers(0, 9)))

    def stages(kind: str, n: int) -> tuple[Stage, ...]:
        same = np.arange(n)
        if kind == "attention":
            gaps = np.asarray(rng.integers(1, c + 1, n))
            return (Stage(np.full(n, n - 1), gaps, c + 20, 2, memory=memory),)
        if kind == "two":
            return (Stage(same, a, a + 9, 2), Stage(same // 2 * 2 + np.minimum(1, n - 1 - same // 2 * 2), 1, 3))
        return (Stage(same, {"p": a, "f": b, "g": d, "y": 4}[kind], 31, 1, int(rng.integers(0, 3))),)

    parts = [("p", "p", ("x",)), ("a", "attention", ("p",)), ("f", "f", ("a",)), ("t", "two", ("f",)),
             ("g", "g", ("t",)), ("y", "y", ("x", "g"))]  # fmt: skip
    made = {n: {name: stages(kind, n) for name, kind, _ in parts} for n in lengths}
    operators = [Operator(name, inputs, tuple(made[n][name] for n in lengths)) for name, _, inputs in parts]
    skip = Operator("y", ("x", "g"), operators[-1].stages, (4 * max(lengths) + 40, 3))
    return Pipeline((Source("x", lengths, 4),), (*operators[:-1], skip), ("y",))


@pytest.mark.parametrize("seed", range(12))
def test_equal_on_layers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = (1, 7, 30, 64)
    model = Ring(layer(lengths, rng), 4, int(rng.integers(64, 200)), int(rng.integers(1, 6)), trickle=2)
    order = rng.integers(0, 4, 14).tolist()
    found, solved = at_once(model, order)
    assert found == one_by_one(model, order)
    assert np.mean(solved) > 0.9, "the fast way is hardly ever taken"


def test_a_deadlock_is_left_to_the_units_to_name() -> None:
    """A pass that cannot end is not solved for ever."""
    model = Ring(encoder((50,), 20, skip=30), 3, 50, 1)
    for run in (one_by_one, lambda *a: at_once(*a)[0]):
        with pytest.raises(SimulationError, match=r"input 0 of y \(30 tokens\)"):
            run(model, [0])


def test_memories_and_paces_survive_json() -> None:
    body = layer((7, 30), np.random.default_rng(1))
    again = from_json(json.loads(json.dumps(as_json(body))))
    order = [0, 1, 1, 0, 1]
    assert simulate_ring(Ring(again, 3, 60, 4), order) == simulate_ring(Ring(body, 3, 60, 4), order)


def test_blocks_are_what_short_sequences_wait_for() -> None:
    """Four blocks of four tokens: of sequences of one token, four are in the memory, whatever they leave empty."""
    memory = Memory(4, 4, 16, 2)
    stage = Stage(np.asarray([0]), 1, 100, memory=memory)
    pipeline = Pipeline((Source("x", (1,)),), (Operator("a", ("x",), ((stage,),)),), ("a",))
    finished = simulate(pipeline, [0] * 9).finished
    assert finished[:4] == (101, 102, 103, 104)
    # The fifth is taken when the first has let its block go, two cycles before its result.
    assert finished[4:8] == (199, 200, 201, 202) and finished[8] == 297
    few = Stage(np.asarray([0]), 1, 100, memory=Memory(4, 4, 2, 2))
    pipeline = Pipeline((Source("x", (1,)),), (Operator("a", ("x",), ((few,),)),), ("a",))
    assert simulate(pipeline, [0] * 3).finished == (101, 102, 199)
