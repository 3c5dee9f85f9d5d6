# SPDX-License-Identifier: Apache-2.0
"""The folding search against brute force, and the message when nothing fits."""

import itertools
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewright.errors import BudgetError, DataError
from gatewright.scheduler.folding import Choice, Options, as_json, cheapest, options_from_json, search

RESOURCES = ("lut", "dsp")


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[Options], dict[str, float]]:
    small = st.integers(0, 9)
    choice = st.builds(
        lambda cycles, lut, dsp: Choice(f"{cycles}/{lut}/{dsp}", cycles, {"lut": lut, "dsp": dsp}),
        st.integers(1, 9), small, small,
    )  # fmt: skip
    count = draw(st.integers(1, 4))
    options = [Options(f"n{i}", tuple(draw(st.lists(choice, min_size=1, max_size=4)))) for i in range(count)]
    return options, {k: float(draw(st.integers(0, 20))) for k in RESOURCES}


def brute_force(options: list[Options], budget: dict[str, float]) -> float | None:
    best = None
    for combination in itertools.product(*(o.choices for o in options)):
        if all(sum(c.cost[k] for c in combination) <= budget[k] for k in RESOURCES):
            cycles = max(c.cycles for c in combination)
            best = cycles if best is None else min(best, cycles)
    return best


@given(problems())
@settings(max_examples=300, deadline=None)
def test_equal_to_brute_force(problem: tuple[list[Options], dict[str, float]]) -> None:
    options, budget = problem
    best = brute_force(options, budget)
    if best is None:
        with pytest.raises(BudgetError, match="lut|dsp"):
            search(options, budget)
        return
    plan = search(options, budget)
    assert plan.exact and plan.cycles == best
    assert all(plan.total[k] <= budget[k] for k in RESOURCES)
    assert all(plan.chosen[o.name] in o.choices for o in options)
    assert plan.total == {k: sum(c.cost[k] for c in plan.chosen.values()) for k in RESOURCES}


@given(problems(), st.integers(1, 9))
def test_cheapest_is_fast_enough_and_cheap(problem: tuple[list[Options], dict[str, float]], target: int) -> None:
    options, _ = problem
    budget = {"lut": 100.0, "dsp": 10.0}
    if any(min(c.cycles for c in o.choices) > target for o in options):
        with pytest.raises(BudgetError, match="at its fastest"):
            cheapest(options, target, budget)
        return
    for one, choice in cheapest(options, target, budget).chosen.items():
        rivals = [c for o in options if o.name == one for c in o.choices if c.cycles <= target]
        share = [c.cost["lut"] / 100 + c.cost["dsp"] / 10 for c in rivals]
        assert choice.cycles <= target
        assert choice.cost["lut"] / 100 + choice.cost["dsp"] / 10 == min(share)


def matrix(name: str, ins: int, outs: int, tokens: int) -> Options:
    """A matrix unit's foldings: multipliers against time."""
    divisors = [[d for d in range(1, n + 1) if n % d == 0] for n in (ins, outs)]
    choices = []
    for simd, pe in itertools.product(*divisors):
        cost = {"lut": 60 + 40 * simd * pe, "dsp": simd * pe, "ff": 30 * pe + simd}
        choices.append(Choice([simd, pe], tokens * (ins // simd) * (outs // pe), cost))
    return Options(name, tuple(choices))


def test_a_network_of_twelve_layers_in_seconds() -> None:
    options = [matrix(f"layer{i}", 384, 384 if i % 3 else 1536, 128) for i in range(12)]
    start = time.perf_counter()
    plan = search(options, {"lut": 1_182_240, "ff": 2_364_480, "dsp": 6840})
    assert time.perf_counter() - start < 10
    assert plan.total["dsp"] <= 6840
    # The bound of perfect division: all products of all layers over all multipliers.
    work = sum(128 * 384 * (384 if i % 3 else 1536) for i in range(12))
    assert work / 6840 <= plan.cycles <= 2 * work / 6840


def test_the_error_names_the_resource_the_amount_and_the_operator() -> None:
    big = Options("big", (Choice(1, 5, {"dsp": 90, "lut": 1}),))
    small = Options("small", (Choice(1, 5, {"dsp": 20, "lut": 1}), Choice(2, 1, {"dsp": 40, "lut": 1})))
    with pytest.raises(BudgetError) as error:
        search([small, big], {"dsp": 100, "lut": 10})
    assert "dsp: at least 110 needed, 100 available, 10 short (most of it in big)" in str(error.value)
    assert "lut" not in error.value.problem


def test_two_resources_that_are_short_only_together() -> None:
    either = Options("n", (Choice("a", 1, {"lut": 9, "dsp": 1}), Choice("b", 1, {"lut": 1, "dsp": 9})))
    with pytest.raises(BudgetError, match="short"):
        search([either], {"lut": 5, "dsp": 5})


def test_json_round_trip_and_errors() -> None:
    text = json.dumps([{"name": "n", "choices": [{"key": {"pe": 2}, "cycles": 4, "cost": {"dsp": 2}}]}])
    plan = search(options_from_json(json.loads(text)), {"dsp": 2})
    assert as_json(plan)["chosen"]["n"] == {"key": {"pe": 2}, "cycles": 4, "cost": {"dsp": 2}}
    with pytest.raises(DataError, match="cycle"):
        options_from_json([{"name": "n", "choices": [{"key": 1, "cycle": 3}]}])
    with pytest.raises(DataError, match="operator n: no legal folding"):
        search([Options("n", ())], {})


def test_the_cheaper_first_choice_can_be_a_dead_end() -> None:
    first = Options("a", (Choice("thrifty", 1, {"lut": 0, "dsp": 4}), Choice("other", 1, {"lut": 5, "dsp": 0})))
    second = Options("b", (Choice("dsp", 1, {"lut": 0, "dsp": 6}), Choice("lut", 1, {"lut": 6, "dsp": 0})))
    plan = search([first, second], {"lut": 5, "dsp": 6})
    assert [plan.chosen[n].key for n in "ab"] == ["other", "dsp"]
