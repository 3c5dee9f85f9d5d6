# SPDX-License-Identifier: Apache-2.0
"""Every method against brute force on small problems, on random ones of realistic size, and when nothing fits."""

import itertools
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.errors import BudgetError, DataError, MissingExtraError
from gatewright.scheduler.fuzz import random_problem
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.measure import fits, share, total
from gatewright.scheduler.methods import methods, solve
from gatewright.scheduler.methods.stages import coarse, ranks
from gatewright.scheduler.objectives import Latency, Objective, Rate, Resources
from gatewright.scheduler.problem import Choice, Options, Plan, Problem, Repeat
from gatewright.scheduler.validate_plan import check_plan

RESOURCES = ("lut", "dsp")


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    small = st.integers(0, 9)
    figures = st.tuples(*(st.integers(1, n).map(float) for n in (9, 30)))
    choice = st.builds(
        lambda key, cycles, lut, dsp, delay, *ports: Choice(key, cycles, {"lut": lut, "dsp": dsp}, delay, (), *ports),
        st.integers(), figures, small, small, figures, *[st.sampled_from([1, 2, 3, 4])] * 2,
    )  # fmt: skip
    operators: list[Options] = []
    for i in range(draw(st.integers(1, 4))):
        inputs = tuple(o.name for o in operators if draw(st.booleans()))
        wait = draw(st.sampled_from([(), (1.0, 1.0), (0.25, 0.5)]))
        choices = draw(st.lists(choice, min_size=1, max_size=4))
        if draw(st.integers(0, 3)) == 0:
            # An operator that is wire.
            choices = [replace(c, reads=0, writes=0) for c in choices]
        elements = (float(draw(st.integers(1, 9))), 12.0)
        operators.append(Options(f"n{i}", tuple(choices), inputs, wait, elements))
    repeats: tuple[Repeat, ...] = ()
    if len(operators) > 2 and draw(st.booleans()):
        repeats = (Repeat(("n1", "n2"), 2, "n0", "n2"),)
    budget = {k: float(draw(st.integers(0, 20))) for k in RESOURCES}
    return Problem(tuple(operators), budget, Lengths.of({1: 1, 2: 3}), repeats)


def brute_force(problem: Problem, objective: Objective) -> float | None:
    best = None
    names = [o.name for o in problem.operators]
    for combination in itertools.product(*(o.choices for o in problem.operators)):
        chosen = dict(zip(names, combination, strict=True))
        slow = isinstance(objective, Resources) and Rate().value(problem, chosen) > objective.cycles
        if not slow and fits(problem, total(problem, chosen)):
            value = objective.value(problem, chosen)
            best = value if best is None else min(best, value)
    return best


@pytest.mark.parametrize("objective", [Rate(), Latency(), Resources(12.0), Resources(20.0, {"lut": 3.0})], ids=str)
@given(problem=problems())
@settings(max_examples=40, deadline=None)
def test_against_brute_force(objective: Objective, problem: Problem) -> None:
    """The exact method finds the optimum; the others something legal or the same error; bounds are bounds."""
    best = brute_force(problem, objective)
    for name in methods():
        if best is None:
            with pytest.raises(BudgetError, match="lut|dsp|at its fastest"):
                solve(problem, objective, name)
            continue
        try:
            plan = solve(problem, objective, name)
        except BudgetError as error:
            # The quick ones may fail to find widths that go together at a rate; never the exact one.
            assert name != "exact" and isinstance(objective, Resources) and "width" in f"{error}", error
            continue
        check_plan(problem, plan)
        assert plan.bound <= best * (1 + 1e-9) + 1e-9
        quick = name == "fast" and not isinstance(objective, Latency)
        if name == "exact" or (quick and not any(c.reads for o in problem.operators for c in o.choices)):
            assert plan.gap == 0 and plan.value == pytest.approx(best, rel=1e-9)


@pytest.fixture(scope="module")
def solved() -> dict[str, list[Plan]]:
    """50 random problems by every method."""
    found: dict[str, list[Plan]] = {}
    for seed in range(50):
        problem = random_problem(seed)
        for name in methods():
            plan = solve(problem, "rate", name)
            check_plan(problem, plan)
            found.setdefault(name, []).append(plan)
    return found


def test_the_optimum_is_proven(solved: dict[str, list[Plan]]) -> None:
    """`solve` gives up after 60 seconds; the figures are in bench/results/scheduling.md."""
    assert [p.gap for p in solved["exact"]] == [0.0] * 50


@pytest.mark.parametrize(("name", "most"), [("fast", 0.10), ("stages", 0.30)])
def test_heuristics_are_close(solved: dict[str, list[Plan]], name: str, most: float) -> None:
    pairs = zip(solved[name], solved["exact"], strict=True)
    excess = [plan.value / best.value - 1 for plan, best in pairs]
    print(f"{name}: {np.mean(excess):.2%} above the optimum on average, {max(excess):.1%} at worst")
    assert min(excess) > -1e-9 and np.mean(excess) <= most


def test_ties_are_cheap(solved: dict[str, list[Plan]]) -> None:
    """No operator could be smaller at the same rate, other things being equal."""
    for seed, plan in enumerate(solved["exact"]):
        problem = random_problem(seed)
        for one in problem.operators:
            for choice in one.choices:
                other = {**plan.chosen, one.name: choice}
                if Rate().value(problem, other) <= plan.value and fits(problem, total(problem, other)):
                    assert share(problem, total(problem, other)) >= share(problem, plan.total) - 1e-6


def test_latency_of_realistic_problems() -> None:
    for seed in range(2):
        problem = random_problem(seed)
        exact, fast = (solve(problem, Latency(), name) for name in ("exact", "fast"))
        check_plan(problem, exact)
        check_plan(problem, fast)
        assert exact.gap == 0 and exact.value <= fast.value <= 1.5 * exact.value


def test_the_papers_rank() -> None:
    """P(v) = W(v) + max over successors, and stages packed in that order."""

    def one(name: str, work: float, *inputs: str) -> Options:
        return Options(name, (Choice(0, (work,), {"lut": 4}),), inputs)

    problem = Problem((one("a", 5), one("b", 30, "a"), one("c", 7, "a"), one("d", 2, "b", "c")), {"lut": 16})
    assert ranks(problem) == {"a": 37, "b": 32, "c": 9, "d": 2}
    chosen = {o.name: o.choices[0] for o in problem.operators}
    assert coarse(problem, chosen, 2) == [["a", "b"], ["c", "d"]]
    assert coarse(problem, chosen, 4) == [["a"], ["b"], ["c"], ["d"]]


def test_parallelism_is_proportional_to_work() -> None:
    def one(name: str, work: int, *inputs: str) -> Options:
        choices = tuple(Choice(p, (float(work / p),), {"dsp": p}) for p in range(1, 65))
        return Options(name, choices, inputs)

    problem = Problem((one("small", 640), one("large", 1920, "small")), {"dsp": 64})
    plan = solve(problem, "rate", "stages")
    assert {k: c.key for k, c in plan.chosen.items()} == {"small": 16, "large": 48}


@pytest.mark.parametrize("name", methods())
@pytest.mark.parametrize("objective", [Rate(), Resources(50.0)], ids=str)
def test_widths_go_together(name: str, objective: Objective) -> None:
    """Four elements per cycle in front of three at a time pass one by one: the dearer reader is faster."""
    writer = Options("w", (Choice("w", (40.0,), {"lut": 9}, writes=4, reads=4),), elements=(120.0,))
    awkward = Choice("three", (40.0,), {"lut": 1}, reads=3, writes=3)
    fitting = Choice("four", (40.0,), {"lut": 2}, reads=4, writes=4)
    wire = Options("wire", (Choice("wire", (0.0,)),), ("w",))
    reader = Options("r", (awkward, fitting), ("wire",), elements=(120.0,))
    problem = Problem((writer, wire, reader), {"lut": 20})
    plan = solve(problem, objective, name)
    check_plan(problem, plan)
    assert plan.chosen["r"] is fitting and plan.cycles == 40
    alone = Problem((writer, wire, replace(reader, choices=(awkward,))), {"lut": 20})
    assert problem.links == (("w", "r"),) and solve(alone, "rate", name).cycles == 120


def test_the_cheaper_first_choice_can_be_a_dead_end() -> None:
    first = Options("a", (Choice("thrifty", (1.0,), {"lut": 0, "dsp": 4}), Choice("other", (1.0,), {"lut": 5})))
    second = Options("b", (Choice("dsp", (1.0,), {"lut": 0, "dsp": 6}), Choice("lut", (1.0,), {"lut": 6})))
    for name in methods():
        plan = solve(Problem((first, second), {"lut": 5, "dsp": 6}), "rate", name)
        assert [plan.chosen[n].key for n in "ab"] == ["other", "dsp"]


@pytest.mark.parametrize("name", methods())
def test_the_error_names_the_resource_the_amount_and_the_operator(name: str) -> None:
    big = Options("big", (Choice(1, (5.0,), {"dsp": 90, "lut": 1}),))
    small = Options("small", (Choice(1, (5.0,), {"dsp": 20, "lut": 1}), Choice(2, (1.0,), {"dsp": 40, "lut": 1})))
    with pytest.raises(BudgetError) as error:
        solve(Problem((small, big), {"dsp": 100, "lut": 10}), "rate", name)
    assert "dsp: at least 110 needed, 100 available, 10 short (most of it in big)" in str(error.value)
    assert "lut" not in error.value.problem


@pytest.mark.parametrize("name", methods())
def test_two_resources_that_are_short_only_together(name: str) -> None:
    either = Options("n", (Choice("a", (1.0,), {"lut": 9, "dsp": 1}), Choice("b", (1.0,), {"lut": 1, "dsp": 9})))
    with pytest.raises(BudgetError, match="short"):
        solve(Problem((either,), {"lut": 5, "dsp": 5}), "rate", name)


@pytest.mark.parametrize("name", methods())
def test_too_slow_names_the_operator(name: str) -> None:
    with pytest.raises(BudgetError, match=r"operator n: needs 7 cycles at its fastest\n  supported: 5 cycles"):
        solve(Problem((Options("n", (Choice(1, (7.0,)),)),), {}), Resources(5), name)


def test_unknown_names_are_refused() -> None:
    problem = Problem((Options("n", (Choice(1, (7.0,)),)),), {})
    with pytest.raises(DataError, match="exact, fast, stages"):
        solve(problem, "rate", "magic")
    with pytest.raises(DataError, match="rate, latency"):
        solve(problem, "speed")


def test_without_ortools_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools.sat.python", None)
    with pytest.raises(MissingExtraError, match=r"gatewright\[schedule\]"):
        solve(random_problem(0), "rate", "exact")
