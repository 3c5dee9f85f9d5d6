# SPDX-License-Identifier: Apache-2.0
"""Streams without end: what is forgotten is never missed, and memory does not grow."""

import gc
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheduler.test_cycles import chain, chains, residual
from scheduler.test_ring import Clocked, encoder, rings

from gatewright.errors import DataError
from gatewright.scheduler import link
from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.flow import in_order
from gatewright.scheduler.machine import Looped, Machine, Streaming
from gatewright.scheduler.pipeline import Stage
from gatewright.scheduler.ring import Ring, simulate_ring


@given(chains())
@settings(max_examples=150, deadline=None)
def test_a_forgetful_pipeline_is_the_same(case: tuple[int, list[Stage], list[int], int]) -> None:
    tokens, stages, queues, repeat = case
    pipeline = chain(tokens, *stages, queue=queues[0])
    order = [0] * (3 * repeat)
    remembered = simulate(pipeline, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "KEPT", 1)
        assert simulate(pipeline, order) == remembered


@given(rings(), st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_a_forgetful_ring_is_the_same(clocked: Clocked, times: int) -> None:
    order = clocked.order * times
    remembered = simulate_ring(clocked.ring, order)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link, "KEPT", 1)
        assert simulate_ring(clocked.ring, order) == remembered


def test_joins_forget_too(monkeypatch: pytest.MonkeyPatch) -> None:
    remembered = simulate(residual(12), [0] * 9)
    monkeypatch.setattr(link, "KEPT", 1)
    found = simulate(residual(12), [0] * 9)
    assert found == remembered


MACHINES: dict[str, Machine] = {
    "pipeline": Streaming(chain(2, *(Stage(np.arange(2), c, c + 3) for c in (3, 7, 5)))),
    "ring": Looped(Ring(encoder((1, 3), 20), 2, 64, 4)),
}


@pytest.mark.parametrize("name", MACHINES)
def test_memory_does_not_grow(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak of the first sequences is that of many more; of a ring fewer, as it is slower."""
    machine, kinds = MACHINES[name], len(MACHINES[name].lengths)
    few, many = (2_000, 20_000) if name == "pipeline" else (1_000, 3_000)
    rng = np.random.default_rng(1)
    # So that few sequences are enough to fill what is kept.
    monkeypatch.setattr(link, "KEPT", 500)
    gc.collect()
    tracemalloc.start()
    try:
        peaks, count, last = [], 0, 0
        for visit in machine.stream(in_order(int(rng.integers(kinds)) for _ in range(many))):
            assert visit.sequence == count and visit.finished >= last
            count, last = count + 1, visit.finished
            if count in (few, many):
                peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert count == many and peaks[1] <= 1.02 * peaks[0] + 10_000, peaks


@pytest.mark.parametrize("name", MACHINES)
def test_a_stream_is_the_batch(name: str) -> None:
    machine, kinds = MACHINES[name], len(MACHINES[name].lengths)
    order = np.random.default_rng(2).integers(kinds, size=50).tolist()
    streamed = [v.finished for v in machine.stream(in_order(order))]
    batch = simulate(machine.body, order) if name == "pipeline" else simulate_ring(machine.ring, order)  # type: ignore[attr-defined]
    assert tuple(streamed) == batch.finished


def test_a_stream_is_lazy() -> None:
    """One sequence is asked for when the one before has been followed as far as it goes."""
    asked: list[int] = []

    def kinds() -> Iterator[int]:
        for index in range(1_000_000):
            asked.append(index)
            yield 0

    found = MACHINES["pipeline"].stream(in_order(kinds()))
    assert [next(found).sequence for _ in range(3)] == [0, 1, 2] and len(asked) == 3
    ring = MACHINES["ring"].stream(in_order(0 for _ in range(1_000_000)))
    assert [next(ring).sequence for _ in range(3)] == [0, 1, 2]


def test_an_unknown_kind_is_refused_when_it_comes() -> None:
    found = MACHINES["pipeline"].stream(in_order([0, 1]))
    assert next(found).sequence == 0
    with pytest.raises(DataError, match="order: kind 1"):
        next(found)
