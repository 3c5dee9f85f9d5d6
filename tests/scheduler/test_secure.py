# SPDX-License-Identifier: Apache-2.0
"""Two-party blocks as tasks: closed forms by hand, an independent walk over time, brute force, JSON."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from gatewright.errors import DataError
from gatewright.scheduler.overlap import Overlap, Task, bound, overlap
from gatewright.scheduler.secure import (
    Block,
    Machine,
    Stage,
    as_json,
    from_json,
    latency,
    load,
    schedule,
    serial,
    tasks,
)
from gatewright.scheduler.sites import Link

MACHINE = Machine(clock=1.0, link=Link(10.0, 3.0), shared=True)
"""A cycle is a second, ten bytes are a second, and what is sent arrives three seconds later."""


def linear(name: str, work: int, up: int, ahead: int = 0, needs: float = 1.0) -> Block:
    """The client masks and sends, the server multiplies; the client's own product waits for nothing."""
    return Block(name, "linear", (Stage(client=1, up=up), Stage(server=work, client_ahead=ahead)), needs)


def square(name: str, work: int, size: int) -> Block:
    """Both open, then both combine."""
    return Block(name, "x2act", (Stage(work, work, size, size), Stage(work, work)), 0.0)


def optimum(jobs: list[Task]) -> float:
    """Over all orders: some order of starting, each task as early as it then can, is best."""
    best = np.inf

    def go(done: dict[int, float], free: dict[str, float]) -> None:
        nonlocal best
        if len(done) == len(jobs):
            best = min(best, max(done.values()))
            return
        for index, job in enumerate(jobs):
            if index in done or any(i not in done for i, _ in job.after):
                continue
            start = max([free.get(job.unit, 0.0), *(done[i] + lag for i, lag in job.after)])
            end = start + job.seconds
            if end < best:
                go({**done, index: end}, {**free, job.unit: end})

    go({}, {})
    return float(best)


def legal(found: Overlap) -> None:
    """Nothing starts before what it waits for, and no unit does two things at once."""
    ends = [s + t.seconds for s, t in zip(found.starts, found.tasks, strict=True)]
    for start, task in zip(found.starts, found.tasks, strict=True):
        assert all(start >= ends[i] + lag - 1e-9 for i, lag in task.after)
    for unit in {t.unit for t in found.tasks}:
        spans = sorted((s, e) for s, e, t in zip(found.starts, ends, found.tasks, strict=True) if t.unit == unit)
        assert all(a[1] <= b[0] + 1e-9 for a, b in itertools.pairwise(spans))
    assert found.bound <= found.seconds + 1e-9


def random_tasks(seed: int, count: int) -> list[Task]:
    random = np.random.default_rng(seed)
    found = []
    for index in range(count):
        after = [(int(i), float(random.integers(3))) for i in range(index) if random.random() < 0.3]
        unit = "abc"[int(random.integers(3))]
        found.append(Task(f"t{index}", unit, float(random.integers(1, 6)), tuple(after), index // 3))
    return found


def test_one_block_by_hand() -> None:
    block = linear("fc", work=20, up=50, ahead=4)
    # One second to mask, five to send, three until it is there, twenty to multiply; four on the client beside it.
    assert latency(block, MACHINE) == 1 + 5 + 3 + 20
    assert schedule([block], MACHINE).seconds == 29
    assert (block.rounds, block.up, block.down, block.cycles("client"), block.cycles("server")) == (1, 50, 0, 5, 20)
    slow = replace(MACHINE, per_message=2.0)
    assert latency(block, slow) == 31 == schedule([block], slow).seconds
    longer = replace(block, stages=(block.stages[0], Stage(server=20, client_ahead=40)))
    # Alone the client's product comes after the message; overlapped it starts at once, or right behind the masking.
    assert latency(longer, MACHINE) == 1 + 5 + 3 + 40
    assert schedule([longer], MACHINE).seconds == 41 == optimum(tasks([longer], MACHINE))


def test_a_last_message_counts_until_it_has_arrived() -> None:
    reveal = Block("reveal", "reveal", (Stage(down=20),))
    assert schedule([reveal], MACHINE).seconds == 5 == latency(reveal, MACHINE)
    assert schedule([reveal], MACHINE, 3).seconds == 3 * 2 + 3


def test_queries_overlap() -> None:
    blocks = [linear("fc1", 10, 20), square("act", 2, 10), linear("fc2", 6, 10)]
    one = schedule(blocks, MACHINE).seconds
    assert one == serial(blocks, MACHINE)
    busiest = max(load(blocks, MACHINE).values())
    assert busiest == 10 + 2 + 2 + 6
    for queries in (2, 5, 12):
        found = schedule(blocks, MACHINE, queries)
        legal(found)
        assert one + (queries - 1) * busiest >= found.seconds >= queries * busiest
    assert schedule(blocks, MACHINE, 5, in_flight=1).seconds == 5 * one
    two = schedule(blocks, MACHINE, 5, in_flight=2)
    legal(two)
    assert 5 * one > two.seconds > schedule(blocks, MACHINE, 5).seconds
    # Never more than two queries between their first start and their last end.
    spans = {q: min(s for s, t in zip(two.starts, two.tasks, strict=True) if t.query == q) for q in range(5)}
    for start in spans.values():
        assert sum(s <= start < two.finished(q) for q, s in spans.items()) <= 2


def test_pieces_overlap_layers() -> None:
    own = replace(MACHINE, shared=False, link=Link(10.0, 0.0))
    blocks = [square("a", 8, 80), square("b", 8, 80)]
    whole = schedule(blocks, own).seconds
    cut = schedule(blocks, own, pieces=4)
    legal(cut)
    # Both openings go over the same link: 8 s each. The first piece is sent after 2 s, the last is used for 2 s.
    assert whole == 8 + 8 + 8 + 8 + 8 + 8 and cut.seconds < 30
    # A dense layer lets nothing through before it has all.
    dense = [square("a", 8, 80), replace(square("b", 8, 80), needs=1.0)]
    assert cut.seconds < schedule(dense, own, pieces=4).seconds < whole
    half = [square("a", 8, 80), replace(square("b", 8, 80), needs=0.5)]
    assert cut.seconds < schedule(half, own, pieces=4).seconds < schedule(dense, own, pieces=4).seconds


def test_branches_share_a_round() -> None:
    own = replace(MACHINE, shared=False)
    start = square("a", 1, 10)
    chain = [start, square("b", 1, 10), square("c", 1, 10)]
    fork = [start, replace(chain[1], inputs=("a",)), replace(chain[2], inputs=("a",))]
    assert schedule(chain, own).seconds == 3 * 6
    # The second opening waits one second for the link.
    assert schedule(fork, own).seconds == 2 * 6 + 1


@pytest.mark.parametrize("seed", range(40))
def test_near_the_best_order(seed: int) -> None:
    jobs = random_tasks(seed, 7)
    best = optimum(jobs)
    assert bound(jobs) <= best + 1e-9
    for policy in ("arrival", "critical", "best"):
        found = overlap(jobs, policy)
        legal(found)
        assert found.seconds >= best - 1e-9
    # Greedy schedules miss it at times.
    assert overlap(jobs).seconds <= best * 1.25 + 1e-9


def test_policies_are_often_the_best_order() -> None:
    both = [(overlap(j).seconds, optimum(j)) for j in (random_tasks(s, 7) for s in range(40))]
    assert sum(a == b for a, b in both) >= 34


@pytest.mark.parametrize("seed", range(12))
def test_two_queries_against_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    a, b = (int(v) for v in random.integers(1, 9, 2))
    blocks = [linear("fc", a, 10 * b), Block("act", "x2act", (Stage(down=10),))]
    machine = replace(MACHINE, shared=bool(seed % 2), link=Link(10.0, float(seed % 4)))
    found = schedule(blocks, machine, 2)
    legal(found)
    best = optimum(list(found.tasks))
    assert best <= found.seconds <= best * 1.1


def test_json() -> None:
    blocks = (linear("fc", 3, 4, 5, 0.25), replace(square("act", 1, 2), inputs=("fc",)))
    assert from_json(json.loads(json.dumps(as_json(blocks, MACHINE)))) == (blocks, MACHINE)
    found = schedule(blocks, MACHINE, 2)
    rows = json.loads(json.dumps(found.as_json()))
    assert rows["seconds"] == found.seconds and len(rows["tasks"]) == len(found.tasks)
    data = as_json(blocks, MACHINE)
    data["machine"]["speed"] = 1
    with pytest.raises(DataError, match="bad or missing key: .*speed"):
        from_json(data)


def test_refusals() -> None:
    block = square("a", 1, 1)
    with pytest.raises(DataError, match="block a: name taken"):
        schedule([block, block], MACHINE)
    with pytest.raises(DataError, match="block a: reads 'b'\n.*a block before it"):
        schedule([replace(block, inputs=("b",))], MACHINE)
    with pytest.raises(DataError, match="negative cycles or bytes"):
        schedule([replace(block, stages=(Stage(up=-1),))], MACHINE)
    with pytest.raises(DataError, match="queries 0"):
        schedule([block], MACHINE, 0)
    with pytest.raises(DataError, match="policy: 'random'\n  supported: best, arrival, critical"):
        schedule([block], MACHINE, policy="random")
    with pytest.raises(DataError, match="machine: "):
        Machine(0.0, Link(1.0))
    with pytest.raises(DataError, match="task t"):
        overlap([Task("t", "u", 1.0, ((0, 0.0),))])
