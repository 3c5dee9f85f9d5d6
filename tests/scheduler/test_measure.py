# SPDX-License-Identifier: Apache-2.0
"""Rate and latency of given choices, against closed forms and against the cycle model."""

import numpy as np
import pytest

from gatewright.scheduler.cycles import simulate
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.measure import latencies, latency, rate, share, total
from gatewright.scheduler.pipeline import Operator, Pipeline, Source, Stage
from gatewright.scheduler.problem import Choice, Options, Problem, Repeat


def only(problem: Problem) -> dict[str, Choice]:
    return {o.name: o.choices[0] for o in problem.operators}


def chain(figures: list[tuple[float, float]], waits: tuple[float, ...] = ()) -> Problem:
    """Operators after each other, of these delays and spans, for one length."""
    operators = []
    for i, (delay, span) in enumerate(figures):
        wait = (waits[i],) if waits else ()
        operators.append(Options(f"o{i}", (Choice(0, (span,), {}, (delay,)),), (f"o{i - 1}",) if i else (), wait))
    return Problem(tuple(operators), {})


def test_mixed_lengths_even_out() -> None:
    """The slowest operator differs from length to length: only its expected time counts."""
    a, b = Choice(0, (10.0, 100.0)), Choice(0, (60.0, 60.0))
    problem = Problem((Options("a", (a,)), Options("b", (b,), ("a",))), {}, Lengths.of([1, 2, 2, 2]))
    assert rate(problem, only(problem)) == 0.25 * 10 + 0.75 * 100
    looped = Problem(problem.operators, {}, problem.lengths, (Repeat(("b",), 2, "a", "b"),))
    assert rate(looped, only(looped)) == 120


def test_a_chain_is_a_proportionate_flow_shop() -> None:
    problem = chain([(3, 50), (7, 20), (2, 90)])
    assert latency(problem, only(problem)) == 3 + 7 + 2 + 90


def test_who_waits_for_all_adds_what_is_before() -> None:
    problem = chain([(3, 50), (7, 20), (2, 40)], (0.0, 1.0, 0.0))
    assert latency(problem, only(problem)) == (3 + 50) + (7 + 2 + 40)
    half = chain([(3, 50), (7, 20), (2, 40)], (0.0, 0.5, 0.0))
    assert latency(half, only(half)) == (3 + 25) + 7 + 2 + 40


def test_branches_and_joins() -> None:
    def one(name: str, delay: float, *inputs: str) -> Options:
        return Options(name, (Choice(0, (10.0,), {}, (delay,)),), inputs)

    problem = Problem((one("a", 1), one("long", 30, "a"), one("short", 2, "a"), one("join", 5, "long", "short")), {})
    assert latency(problem, only(problem)) == 1 + 30 + 5 + 10


def test_a_loop_is_its_body_several_times() -> None:
    plain = chain([(3, 50), (7, 20), (2, 40)] * 3, (0.0, 1.0, 0.0) * 3)
    looped = chain([(3, 50), (7, 20), (2, 40)], (0.0, 1.0, 0.0))
    entry = Options("in", (Choice(0, (0.0,)),))
    first = Options("o0", looped.operators[0].choices, ("in",))
    looped = Problem((entry, first, *looped.operators[1:]), {}, repeats=(Repeat(("o0", "o1", "o2"), 3, "in", "o2"),))
    assert latency(looped, only(looped)) == latency(plain, only(plain))


@pytest.mark.parametrize("seed", range(20))
def test_one_sequence_through_the_cycle_model(seed: int) -> None:
    """Random chains with deep queues: the formula is the token-level model's time, to a token's time per operator."""
    rng = np.random.default_rng(seed)
    tokens, count = int(rng.integers(2, 60)), int(rng.integers(1, 6))
    operators, options, before = [], [], "x"
    for i in range(count):
        interval, delay, waits = int(rng.integers(1, 20)), int(rng.integers(1, 40)), bool(rng.random() < 0.3)
        need = np.full(tokens, tokens - 1) if waits else np.arange(tokens)
        stage = Stage(need, interval, delay, 1, 10**6)
        operators.append(Operator(f"o{i}", (before,), ((stage,),), (10**6,)))
        span = (float(interval * (tokens - 1)),)
        choice = Choice(0, (float(interval * tokens),), {}, (float(delay),), span)
        options.append(Options(f"o{i}", (choice,), (before,) if i else (), (float(waits),)))
        before = f"o{i}"
    problem = Problem(tuple(options), {})
    model = simulate(Pipeline((Source("x", (tokens,)),), tuple(operators), (before,)))
    first = operators[0].stages[0][0].need[0]
    claim = latencies(problem, only(problem))[0]
    # The formula has all input there at once; it comes in a token per cycle.
    assert abs(model.cycles - claim) <= tokens + first + 3 * count


def test_shares() -> None:
    problem = Problem((Options("a", (Choice(0, (1.0,), {"lut": 5, "dsp": 2, "free": 9}),)),), {"lut": 10, "dsp": 4})
    amounts = total(problem, only(problem))
    assert amounts == {"lut": 5, "dsp": 2} and share(problem, amounts) == 1.0
    assert share(problem, amounts, {"dsp": 0.0}) == 0.5
    none = Problem(problem.operators, {"lut": 10, "dsp": 0})
    assert share(none, amounts) == float("inf")
