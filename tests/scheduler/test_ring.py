# SPDX-License-Identifier: Apache-2.0
"""The token ring against closed forms, against an independent clocked machine, and its rules of admission."""

import time
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from clocked import leave, room, take
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.errors import DataError, SimulationError
from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.pipeline import NOTHING, Operator, Pipeline, Source, Stage
from gatewright.scheduler.ring import Ring, simulate_ring

PLENTY = 1 << 20


def same(tokens: int, interval: int, latency: int) -> Stage:
    return Stage(np.arange(tokens), interval, latency)


def barrier(tokens: int, interval: int, latency: int, memory: int) -> Stage:
    """Attention: nothing before the last token; `memory` tokens fit in all."""
    return Stage(np.full(tokens, tokens - 1), interval, latency, 1, memory - tokens)


def chain(lengths: tuple[int, ...], *makers: tuple, beats: int = 1) -> Pipeline:
    """Operators one behind the other; each (maker, numbers) makes a stage per length."""
    operators = tuple(
        Operator(f"n{i}", (f"n{i - 1}" if i else "x",), tuple((maker(n, *rest),) for n in lengths))
        for i, (maker, *rest) in enumerate(makers)
    )
    return Pipeline((Source("x", lengths, beats),), operators, (operators[-1].name,))


def encoder(lengths: tuple[int, ...], pace: int, skip: int = PLENTY) -> Pipeline:
    """A residual layer: projection, attention, two slow units behind, and a skip past them all."""
    parts = [("p", ("x",), same, pace, pace + 5), ("a", ("p",), barrier, pace // 2, pace, 2 * max(lengths)),
             ("f", ("a",), same, pace, pace + 5), ("g", ("f",), same, pace, pace + 5)]  # fmt: skip
    operators = [Operator(k, i, tuple((maker(n, *rest),) for n in lengths)) for k, i, maker, *rest in parts]
    operators.append(Operator("y", ("x", "g"), tuple((same(n, 4, 4),) for n in lengths), (skip, 2)))
    return Pipeline((Source("x", lengths, 4),), tuple(operators), ("y",))


def test_one_token_goes_round_in_closed_form() -> None:
    ring = Ring(chain((1,), (same, 10, 17), beats=4), 5, 1, 1)
    found = simulate_ring(ring, [0])
    assert found.cycles == 3 + 5 * (ring.merge + 17) + 4 * ring.back + ring.leave + 1
    assert [(p.sequence, p.iteration) for p in found.passes] == [(0, k) for k in range(5)]


def test_a_long_sequence_keeps_its_slowest_stage_busy() -> None:
    """100 tokens at 10 cycles need 1000 per pass: more than the way round, so no pass waits."""
    ring = Ring(chain((100,), (same, 10, 17), beats=4), 6, 100, 1)
    assert simulate_ring(ring, [0]).cycles == 3 + ring.merge + 17 + (600 - 1) * 10 + ring.leave + 1


@pytest.mark.parametrize(("layers", "most"), [(6, 1.19), (12, 1.11)])
def test_alone_a_sequence_pays_one_layer_more_for_the_barrier(layers: int, most: float) -> None:
    ideal = 400 * 20 * layers
    alone = simulate_ring(Ring(encoder((400,), 20), layers, 1 << 12, 8), [0]).cycles / ideal
    assert (layers + 1) / layers <= alone <= most


def test_with_several_sequences_nothing_but_the_first_fill_is_lost() -> None:
    found = simulate_ring(Ring(encoder((400,), 20), 12, 1 << 12, 8), [0] * 4)
    assert 400 * 20 * 48 < found.cycles <= 400 * 20 * (48 + 1) + 12 * 100
    assert found.busy["p"] > 0.97 and found.busy["a"] < 0.5 * found.busy["p"] + 0.01


def test_returned_passes_go_first_and_sequences_leave_in_order() -> None:
    found = simulate_ring(Ring(encoder((30, 50), 20), 3, 80, 2), [0, 1, 0, 1])
    passes = [(p.sequence, p.iteration) for p in found.passes]
    assert passes[:6] == [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]
    assert list(found.finished) == sorted(found.finished)
    entered = [p.entered for p in found.passes]
    assert entered == sorted(entered)


def test_a_new_sequence_waits_for_slots_and_for_a_place() -> None:
    body = encoder((30, 50), 20)
    for ring in (Ring(body, 3, 79, 9), Ring(body, 3, PLENTY, 1)):
        passes = simulate_ring(ring, [0, 1]).passes
        assert [p.sequence for p in passes] == [0] * 3 + [1] * 3
        assert passes[3].entered > passes[2].entered
    # A slot is free as soon as its token has left, not only when the whole sequence has.
    tight, single = (simulate_ring(r, [0, 1]) for r in (Ring(body, 3, 79, 9), Ring(body, 3, PLENTY, 1)))
    assert tight.passes[3].entered < tight.passes[2].left < single.passes[3].entered


def test_a_late_sequence_lets_the_present_one_pass() -> None:
    ring = Ring(encoder((30,), 20), 4, PLENTY, 9)
    found = simulate_ring(ring, [0, 0], arrival=[0, 1500])
    late = next(p for p in found.passes if p.sequence == 1)
    assert late.entered >= 1500 and sum(p.entered < 1500 for p in found.passes) >= 2
    assert found.finished[0] >= simulate_ring(ring, [0]).finished[0]


def test_the_merge_runs_ahead_by_what_the_body_holds() -> None:
    """The merge decides on the next pass as soon as the body has taken the present one in."""
    lengths = (12,)
    slow, passing = (same, 20, 25), (lambda n: Stage(np.arange(n), 1, 2, ahead=NOTHING),)
    keeping = (lambda n: Stage(np.arange(n), 1, 2, ahead=3),)
    entered = [
        simulate_ring(Ring(chain(lengths, first, slow), 2, PLENTY, 2), [0, 0]).passes[1].entered
        for first in (passing, keeping)
    ]
    # Behind the merge are the slow unit and its link of two, or also an operator that keeps four, and its own link.
    assert entered[0] - entered[1] == pytest.approx(20 * 6, abs=4)


def test_with_one_iteration_it_is_a_pipeline() -> None:
    """Prologue, body and epilogue in one chain of operators take the same cycles."""
    lengths, order = (5, 11), [0, 1, 1, 0]
    first, last = (same, 7, 9), (same, 3, 4)
    middle = ((same, 9, 12), (barrier, 4, 6, PLENTY), (same, 5, 8))
    ring = Ring(chain(lengths, *middle, beats=2), 1, PLENTY, 99)
    found = simulate_ring(ring, order, None, chain(lengths, first, beats=2), chain(lengths, last))
    whole = chain(lengths, first, (same, 2, ring.merge), *middle, (same, 1, ring.leave), last, beats=2)
    assert found.finished == simulate(whole, order, unlimited=True).finished


def test_what_cannot_work_is_refused_and_named() -> None:
    with pytest.raises(DataError, match=r"ring.slots.*49 for a sequence of 50"):
        Ring(encoder((30, 50), 20), 3, 49, 1)
    with pytest.raises(SimulationError, match=r"operator .*, stage 0.*input 0 of y \(30 tokens\)"):
        simulate_ring(Ring(encoder((50,), 20, skip=30), 3, 50, 1), [0])
    with pytest.raises(DataError, match=r"makes 1 tokens of 4"):
        simulate_ring(Ring(chain((4,), (lambda n: Stage(np.asarray([n - 1]), 1, 1),)), 2, 4, 1), [0])
    with pytest.raises(DataError, match="order"):
        simulate_ring(Ring(encoder((50,), 20), 3, 50, 1), [1])


@dataclass
class Clocked:
    """A ring of a chain of stages, cycle by cycle; decisions are taken when they fall due."""

    ring: Ring
    stages: list[list[Stage]]
    order: list[int]
    lengths: tuple[int, ...]
    queues: list[int]
    fed: list[int] = field(default_factory=list)
    fresh: list[int] = field(default_factory=list)
    back: list[int] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    merged: list[int] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    passes: list[tuple[int, int]] = field(default_factory=list)
    left: int = 0
    entries: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        count = len(self.stages)
        self.beats = self.ring.body.sources[0].interval
        self.arrived: list[list[int]] = [[] for _ in range(count + 1)]
        self.taken: list[list[int]] = [[] for _ in range(count + 1)]
        self.routes: list[tuple[bool, bool]] = []  # per token at the exit: final, last of its pass
        self.out: list[int] = []
        self.ends: list[int] = []
        self.needs: list[np.ndarray] = [np.zeros(0, np.int64) for _ in range(count)]
        self.counts = [0] * count

    def decide(self, now: int) -> bool:
        """Begin a pass at a boundary: returned first, then new and admitted."""
        if self.left or (self.merged and now < self.merged[-1] + self.beats):
            return False
        if len(self.again) < len(self.back) and self.back[len(self.again)] <= now:
            sequence = next(s for s in self.fifo() if self.round_of(s) < self.ring.iterations)
            self.start(sequence, self.round_of(sequence))
            return True
        entered = {s for s, _ in self.passes}
        new = len(entered)
        if new == len(self.order) or len(self.fresh) == len(self.fed):
            return False
        first_beat = now - (self.beats - 1)
        tokens = sum(self.lengths[self.order[s]] for s in entered)
        tokens -= sum(t + self.ring.release <= first_beat for t in self.out)
        inside = new - sum(t + self.ring.release <= first_beat for t in self.ends)
        if tokens + self.lengths[self.order[new]] > self.ring.slots or inside >= self.ring.sequences:
            return False
        self.start(new, 0)
        return True

    def fifo(self) -> list[int]:
        """Sequences in the order in which their latest passes entered."""
        latest = {s: i for i, (s, _) in enumerate(self.passes)}
        return sorted(latest, key=lambda s: latest[s])

    def round_of(self, sequence: int) -> int:
        return sum(s == sequence for s, _ in self.passes)

    def start(self, sequence: int, iteration: int) -> None:
        self.passes.append((sequence, iteration))
        self.entries.append(-1)
        kind = self.order[sequence]
        self.left = self.lengths[kind]
        final = iteration == self.ring.iterations - 1
        self.routes += [(final, i == self.left - 1) for i in range(self.left)]
        for k, stages in enumerate(self.stages):
            self.needs[k] = np.concatenate([self.needs[k], stages[kind].need + self.counts[k]])
            self.counts[k] += self.left

    def merge(self, now: int) -> bool:
        if not self.left or (self.merged and now < self.merged[-1] + self.beats):
            return False
        times, gone = (self.back, self.again) if self.passes[-1][1] else (self.fed, self.fresh)
        if len(gone) == len(times) or times[len(gone)] > now:
            return False
        if not room(self.arrived[0], self.taken[0], self.queues[0], now + self.ring.merge):
            return False
        gone.append(now)
        self.merged.append(now)
        self.arrived[0].append(now + self.ring.merge)
        self.entries[-1] = now if self.entries[-1] < 0 else self.entries[-1]
        self.left -= 1
        return True

    def leave_ring(self, now: int) -> bool:
        index = len(self.taken[-1])
        if index == len(self.arrived[-1]) or (self.taken[-1] and self.taken[-1][-1] == now):
            return False
        final, last = self.routes[index]
        self.taken[-1].append(now)
        if not final:
            self.back.append(now + self.ring.back)
        else:
            self.out.append(now)
            self.results.append(now + self.ring.leave)
            self.ends += [now] if last else []
        return True

    def step(self, now: int, total: int) -> bool:
        moved = False
        due = (self.fed[-1] if self.fed else -1) + self.beats
        if len(self.fed) < total and room(self.fed, self.fresh, 2, now) and due <= now:
            self.fed.append(now)
            moved = True
        moved |= self.decide(now) | self.merge(now)
        for k, stages in enumerate(self.stages):
            s, into, out = stages[0], self.arrived[k], self.arrived[k + 1]
            moved |= leave(s, self.needs[k], self.taken[k], out, self.taken[k + 1], self.queues[k + 1], now)
            moved |= take(s, self.needs[k], into, self.taken[k], out, tokens_in=self.counts[k], now=now)
        return moved | self.leave_ring(now)

    def run(self) -> None:
        total, now = sum(self.lengths[k] for k in self.order), 0
        while len(self.results) < total:
            while self.step(now, total):
                pass
            now += 1
            assert now < 20_000


@st.composite
def rings(draw: st.DrawFn) -> Clocked:
    lengths = tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=3, unique=True)))
    longest, stages, queues = max(lengths), [], [2]
    for _ in range(draw(st.integers(1, 3))):
        pace = draw(st.integers(1, 5))
        attention = draw(st.booleans())
        ahead = draw(st.integers(0, 9))
        make = [Stage(np.full(n, n - 1) if attention else np.arange(n), pace, pace, 1, ahead) for n in lengths]
        stages.append(make)
        queues.append(draw(st.integers(1, 3)))
    names = [f"n{i}" for i in range(len(stages))]
    operators = tuple(
        Operator(name, (names[i - 1] if i else "x",), tuple((s,) for s in stages[i]), (queues[i],))
        for i, name in enumerate(names)
    )
    queues[-1], queues[0] = 2, operators[0].queues[0]
    body = Pipeline((Source("x", lengths, draw(st.integers(1, 3))),), operators, (names[-1],))
    slots = longest + draw(st.integers(0, 15))
    ring = Ring(body, draw(st.integers(1, 4)), slots, draw(st.integers(1, 4)), back=draw(st.integers(1, 12)))
    order = draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=6))
    return Clocked(ring, stages, order, lengths, queues)


@given(rings())
@settings(max_examples=300, deadline=None)
def test_equal_to_a_clocked_machine(clocked: Clocked) -> None:
    found = simulate_ring(clocked.ring, clocked.order)
    clocked.run()
    assert [(p.sequence, p.iteration) for p in found.passes] == clocked.passes
    assert [p.entered for p in found.passes] == clocked.entries
    assert found.cycles == clocked.results[-1] + 1


@given(rings())
@settings(max_examples=100, deadline=None)
def test_laws(clocked: Clocked) -> None:
    ring, order = clocked.ring, clocked.order
    found = simulate_ring(ring, order)
    assert len(found.passes) == ring.iterations * len(order)
    assert list(found.finished) == sorted(found.finished)
    assert all(0 < share <= 1 for share in found.busy.values()) and found.returned <= ring.slots
    # What comes behind never changes what went before.
    assert simulate_ring(replace(ring, sequences=1), order[:1]).finished[0] <= found.finished[0]


def test_a_large_batch_takes_seconds() -> None:
    """32 sequences of 130 tokens, 12 layers: 50,000 tokens through every stage."""
    start = time.process_time()
    simulate_ring(Ring(encoder((130,), 100), 12, 1024, 8), [0] * 32)
    assert time.process_time() - start < 10
