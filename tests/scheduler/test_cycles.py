# SPDX-License-Identifier: Apache-2.0
"""The cycle model against closed forms, against an independent clocked simulation, and its own laws."""

import time

import numpy as np
import pytest
from clocked import leave, room, take
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.errors import DataError, SimulationError
from gatewright.scheduler.cycles import lower_bound, predict, simulate
from gatewright.scheduler.pipeline import NOTHING, Operator, Pipeline, Source, Stage, as_json, from_json


def identity(tokens: int, interval: int, latency: int, intake: int = 1, ahead: int = 0) -> Stage:
    return Stage(np.arange(tokens), interval, latency, intake, ahead)


def chain(tokens: int, *stages: Stage, beats: int = 1, queue: int = 2) -> Pipeline:
    operators = tuple(Operator(f"n{i}", (f"n{i - 1}" if i else "x",), ((s,),), (queue,)) for i, s in enumerate(stages))
    return Pipeline((Source("x", (tokens,), beats),), operators, (operators[-1].name,))


def test_one_stage_in_closed_form() -> None:
    # The first token's last beat comes at cycle 3; each token takes 10 cycles, and 7 pass through.
    found = simulate(chain(5, identity(5, 10, 7), beats=4))
    assert found.cycles == 3 + 7 + 4 * 10 + 1
    assert simulate(chain(5, identity(5, 10, 7), beats=4), [0] * 3).period == 50


def test_the_slowest_stage_sets_the_period() -> None:
    pipeline = chain(1, *(identity(1, c, c + 6) for c in (64, 16, 40)), beats=8)
    found = predict(pipeline, [0] * 1000)
    assert found.period == 64 and not found.exact
    assert found.cycles == simulate(pipeline, [0] * 1000).cycles


def test_pooling_in_bursts_throttles_only_without_a_queue() -> None:
    """4x4 pixels pooled 2x2, then a stage as slow as the average: it needs a queue to run at the average."""
    need = np.asarray([5, 7, 13, 15])
    pool = Stage(need, 1, 1)
    slow = identity(4, 4, 4)
    tight = simulate(chain(16, pool, slow, queue=1), [0] * 6)
    loose = simulate(chain(16, pool, slow, queue=8), [0] * 6)
    assert loose.period == 16 and tight.period >= loose.period
    assert loose.cycles <= tight.cycles


def test_an_operator_that_keeps_nothing_is_a_delay() -> None:
    passing, slow = Stage(np.arange(6), 1, 7, ahead=NOTHING), identity(6, 20, 20)
    found = simulate(chain(6, passing, passing, slow, queue=1), [0] * 3)
    assert found.cycles == simulate(chain(6, slow, queue=1), [0] * 3).cycles + 14
    assert found.peaks == {("n2", 0): 1}


def residual(queue: int, lag: int = 8) -> Pipeline:
    """x forks; one branch looks `lag` tokens ahead; both meet."""
    tokens = 40
    late = Stage(np.minimum(np.arange(tokens) + lag, tokens - 1), 1, 3, ahead=0)
    join = Operator("y", ("x", "late"), ((identity(tokens, 1, 1),),), (queue, 2))
    return Pipeline((Source("x", (tokens,)),), (Operator("late", ("x",), ((late,),)), join), ("y",))


def test_a_short_queue_before_a_join_deadlocks_and_is_named() -> None:
    with pytest.raises(SimulationError, match=r"deadlock.*input 0 of y \(4 tokens\)"):
        simulate(residual(4))
    depth = simulate(residual(4), unlimited=True).peaks["y", 0]
    assert 8 < depth <= 16
    assert simulate(residual(depth)).cycles == simulate(residual(1000)).cycles


def test_a_join_of_unequal_lengths_is_refused() -> None:
    half = Stage(np.asarray([1, 3]), 1, 1)
    join = Operator("y", ("x", "half"), ((identity(4, 1, 1),),))
    with pytest.raises(DataError, match=r"operator y.*input 1 \(half\)"):
        simulate(Pipeline((Source("x", (4,)),), (Operator("half", ("x",), ((half,),)), join), ("y",)))


@pytest.mark.parametrize("need", [[0, 4], [1, 0], [-1, 2], []])
def test_impossible_dependences_are_refused(need: list[int]) -> None:
    with pytest.raises(DataError, match="operator n0, stage 0"):
        simulate(chain(4, Stage(np.asarray(need, np.int64), 1, 1)))


def test_kinds_of_sequences_mix() -> None:
    stage = (identity(3, 5, 5),), (identity(7, 5, 5),)
    pipeline = Pipeline((Source("x", (3, 7)),), (Operator("y", ("x",), stage),), ("y",))
    found = simulate(pipeline, [0, 1, 0])
    assert found.finished == (0 + 5 + 2 * 5 + 1, 16 + 35, 51 + 15)


@st.composite
def chains(draw: st.DrawFn) -> tuple[int, list[Stage], list[int], int]:
    tokens = count = draw(st.integers(1, 9))
    stages, queues = [], []
    for _ in range(draw(st.integers(1, 4))):
        need = np.sort(np.asarray(draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=9))))
        interval = draw(st.integers(1, 6))
        latency = draw(st.integers(interval, 9))
        stages.append(Stage(need, interval, latency, draw(st.integers(1, 3)), draw(st.integers(0, 2))))
        queues.append(draw(st.integers(1, 4)))
        count = len(need)
    return tokens, stages, queues, draw(st.integers(1, 3))


def clocked(tokens: int, stages: list[Stage], queues: list[int], repeat: int) -> list[int]:
    """The same hardware, cycle by cycle: what a stage may do is asked of its state, not of a recurrence."""
    offsets = [tokens]
    needs = []
    for s in stages:
        needs.append(np.concatenate([s.need + k * offsets[-1] for k in range(repeat)]))
        offsets.append(len(s.need))
    arrived: list[list[int]] = [[] for _ in range(len(stages) + 1)]
    taken: list[list[int]] = [[] for _ in range(len(stages) + 1)]
    now = 0
    while len(arrived[-1]) < repeat * offsets[-1]:
        assert now < 10_000
        taken[-1] = arrived[-1]
        moved = True
        while moved:
            moved = False
            if (
                len(arrived[0]) < tokens * repeat
                and room(arrived[0], taken[0], queues[0], now)
                and (not arrived[0] or arrived[0][-1] < now)
            ):
                arrived[0].append(now)
                moved = True
            for k, s in enumerate(stages):
                queue = queues[k + 1] if k + 1 < len(stages) else 1 << 30
                moved |= leave(s, needs[k], taken[k], arrived[k + 1], taken[k + 1], queue, now)
                moved |= take(s, needs[k], arrived[k], taken[k], arrived[k + 1], tokens_in=offsets[k] * repeat, now=now)
        now += 1
    return arrived[-1]


@given(chains())
@settings(max_examples=150, deadline=None)
def test_equal_to_a_clocked_simulation(case: tuple[int, list[Stage], list[int], int]) -> None:
    tokens, stages, queues, repeat = case
    # Only where intake never has to look ahead of a departure can a clocked machine decide in time order.
    stages = [Stage(s.need, s.latency, s.latency, s.intake, s.ahead) for s in stages]
    operators = tuple(
        Operator(f"n{i}", (f"n{i - 1}" if i else "x",), ((s,),), (queues[i],)) for i, s in enumerate(stages)
    )
    pipeline = Pipeline((Source("x", (tokens,)),), operators, (operators[-1].name,))
    ends = clocked(tokens, stages, queues, repeat)
    assert simulate(pipeline, [0] * repeat).cycles == ends[-1] + 1


@given(chains())
@settings(max_examples=150, deadline=None)
def test_laws(case: tuple[int, list[Stage], list[int], int]) -> None:
    tokens, stages, queues, repeat = case
    order = [0] * repeat
    pipeline = chain(tokens, *stages, queue=queues[0])
    found, free = simulate(pipeline, order), simulate(pipeline, order, unlimited=True)
    assert lower_bound(pipeline, order) <= free.cycles <= found.cycles
    assert simulate(chain(tokens, *stages, queue=queues[0] + 1), order).cycles <= found.cycles
    eager = chain(tokens, *(Stage(s.need, s.interval, s.latency, 0) for s in stages))
    assert simulate(eager, order, unlimited=True).cycles == lower_bound(eager, order)
    deep = chain(tokens, *stages, queue=max(free.peaks.values()))
    assert simulate(deep, order).cycles == free.cycles
    again = from_json(as_json(pipeline))
    assert simulate(again, order) == found


def test_an_image_network_is_predicted_in_a_second() -> None:
    """LeNet-sized: 28x28 pixels, 5x5 windows, 2x2 pooling, twice, then three matrices."""

    def window(side: int, kernel: int, stride: int) -> tuple[np.ndarray, int]:
        out = (side - kernel) // stride + 1
        y, x = np.divmod(np.arange(out * out), out)
        return (y * stride + kernel - 1) * side + x * stride + kernel - 1, out

    stages, side = [], 28
    for kernel, stride, interval in ((5, 1, 6), (2, 2, 1), (5, 1, 40), (2, 2, 1)):
        need, side = window(side, kernel, stride)
        stages.append(Stage(need, interval, interval + 6))
    stages += [Stage(np.asarray([side * side - 1]), 1, 1), identity(1, 1200, 1206), identity(1, 600, 606)]
    start = time.perf_counter()
    found = predict(chain(784, *stages), [0] * 200)
    assert time.perf_counter() - start < 1
    assert found.period >= 24 * 24 * 6


def test_json_errors_name_the_key() -> None:
    data = as_json(chain(2, identity(2, 1, 1)))
    del data["operators"][0]["stages"][0][0]["latency"]
    with pytest.raises(DataError, match="latency"):
        from_json(data)
    with pytest.raises(DataError, match="reads z"):
        Pipeline((Source("x", (1,)),), (Operator("y", ("z",), ((identity(1, 1, 1),),)),), ("y",))
