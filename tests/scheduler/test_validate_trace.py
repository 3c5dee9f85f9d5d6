# SPDX-License-Identifier: Apache-2.0
"""The validator finds nothing in what the model makes, and finds what is planted."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from scheduler.test_cycles import chain, chains, residual
from scheduler.test_policies import BATCH, encoder
from scheduler.test_ring import Clocked, rings

from gatewright.errors import DataError
from gatewright.scheduler.flow import in_order
from gatewright.scheduler.machine import Looped, Machine, Streaming
from gatewright.scheduler.pipeline import Operator, Pipeline, Source, Stage
from gatewright.scheduler.policies import policies, schedule
from gatewright.scheduler.trace import Flight, Mark, Schedule, Span
from gatewright.scheduler.validate_trace import check_schedule, faults


@given(chains())
@settings(max_examples=100, deadline=None)
def test_pipelines_are_sound(case: tuple[int, list[Stage], list[int], int]) -> None:
    tokens, stages, queues, repeat = case
    machine = Streaming(chain(tokens, *stages, queue=queues[0]))
    assert list(faults(machine, schedule(machine, [tokens] * repeat))) == []


@given(rings())
@settings(max_examples=100, deadline=None)
def test_rings_are_sound(clocked: Clocked) -> None:
    machine = Looped(clocked.ring)
    assert list(faults(machine, machine.run(in_order(clocked.order), "arrival"))) == []


def looped() -> Looped:
    """An encoder's ring between two operators."""
    ring = encoder((3, 8, 20)).ring
    before, after = (
        Pipeline((Source(s, ring.body.sources[0].tokens, 4),), (_paced(name, s, ring.body.sources[0].tokens),), (name,))
        for name, s in (("e", "i"), ("f", "loop"))
    )
    return Looped(replace(ring, prefix="loop."), before, after)


def _paced(name: str, source: str, lengths: tuple[int, ...]) -> Operator:
    return Operator(name, (source,), tuple((Stage(np.arange(n), 6, 9),) for n in lengths))


MACHINES: dict[str, Machine] = {
    "ring": encoder((3, 8, 20)), "looped": looped(), "join": Streaming(residual(12)),
    "pipeline": Streaming(encoder((3, 8, 20)).ring.body),
}  # fmt: skip


@pytest.mark.parametrize("policy", policies())
@pytest.mark.parametrize("name", MACHINES)
def test_every_policy_is_sound(name: str, policy: str) -> None:
    machine = MACHINES[name]
    batch = BATCH if len(machine.lengths) > 1 else [machine.lengths[0]] * 4
    found = schedule(machine, batch, policy, arrival=[7 * i for i in range(len(batch))])
    check_schedule(machine, found)


def moved(block: str, part: str, cycles: int, which: int = -1) -> Callable[[Schedule], Schedule]:
    """One span of a block, with a time that is off."""

    def change(found: Schedule) -> Schedule:
        mine = [s for s in found.spans if s.block == block][which]
        wrong = replace(mine, **{part: getattr(mine, part) + cycles})
        return replace(found, spans=tuple(wrong if s is mine else s for s in found.spans))

    return change


def swapped(found: Schedule) -> Schedule:
    """Block `p` does two neighboring passes the other way round."""
    first, second = [i for i, s in enumerate(found.spans) if s.block == "p"][:2]
    spans = list(found.spans)
    one, two = spans[first], spans[second]
    spans[first] = replace(one, sequence=two.sequence, iteration=two.iteration)
    spans[second] = replace(two, sequence=one.sequence, iteration=one.iteration)
    return replace(found, spans=tuple(spans))


def crowded(found: Schedule) -> Schedule:
    """All of sequence 4 (20 tokens) just behind sequence 3, when most slots are taken."""
    begin = {k: min(s.start for s in found.spans if s.sequence == k) for k in (3, 4)}
    shift = begin[4] - begin[3] - 1

    def earlier(s: Span) -> Span:
        if s.sequence != 4:
            return s
        return replace(s, start=s.start - shift, first=s.first - shift, end=s.end - shift)

    return replace(found, spans=tuple(map(earlier, found.spans)))


PLANTED: dict[str, tuple[Callable[[Schedule], Schedule], str]] = {
    "a block starts before its input": (moved("a", "start", -2000), r"block a.*takes its first token"),
    "attention before the last key": (moved("a", "first", -40), r"block a.*first result.*token \d+ of p"),
    "a pass before the one that feeds it": (moved("p", "start", -5000), r"block p.*takes its first token"),
    "a result before its token": (moved("f", "end", -30), r"block f.*(last result|results within)"),
    "faster than its rate": (moved("p", "first", 15), r"block p.*results within"),
    "too little work": (moved("p", "busy", -1), r"block p.*cycles of work"),
    "overtaking": (swapped, "."),
    "admitted too early": (crowded, r"admission.*tokens and \d+ sequences in flight"),
    "a span is missing": (lambda f: replace(f, spans=f.spans[1:]), r"block p.*spans"),
    "a block is missing": (lambda f: replace(f, blocks=f.blocks[1:]), r"blocks.*\['p'\]"),
    "a link overflows": (lambda f: replace(f, marks=(Mark("a", 0, 3, 2), *f.marks[1:])), r"input 0 of a.*3 tokens"),
    "another depth": (lambda f: replace(f, marks=(Mark("a", 0, 3, 9), *f.marks[1:])), r"input 0 of a.*depth of 9"),
    "slots overflow": (lambda f: replace(f, occupancy=(Flight(5, 49, 1),)), r"occupancy.*49 tokens"),
    "places overflow": (lambda f: replace(f, occupancy=(Flight(5, 1, 5),)), r"occupancy.*5 sequences"),
    "done too early": (lambda f: replace(f, cycles=f.cycles - 1), r"cycles: \d+"),
    "a sequence is done too early": (
        lambda f: replace(f, visits=(replace(f.visits[0], finished=9), *f.visits[1:])),
        r"sequence 0.*done after 9 cycles",
    ),
    "started before it came": (
        lambda f: replace(f, visits=(replace(f.visits[0], arrival=1), *f.visits[1:])),
        r"sequence 0.*starts in cycle 0",
    ),
    "twice the same sequence": (lambda f: replace(f, order=(0, *f.order[1:], 0)), r"visits"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_errors_are_found(name: str) -> None:
    machine = MACHINES["ring"]
    found = schedule(machine, BATCH)
    check_schedule(machine, found)
    plant, text = PLANTED[name]
    wrong = plant(found)
    assert wrong != found
    texts = [": ".join(fault) for fault in faults(machine, wrong)]
    assert any(re.search(text, t) for t in texts), texts
    with pytest.raises(DataError, match="schedule: "):
        check_schedule(machine, wrong)


def test_two_at_once_in_a_rigid_stage_are_found() -> None:
    machine = MACHINES["ring"]
    found = schedule(machine, BATCH, "rigid")
    block = found.blocks[1]
    with pytest.raises(DataError, match="two at once"):
        check_schedule(machine, moved(block, "start", -1)(found))
