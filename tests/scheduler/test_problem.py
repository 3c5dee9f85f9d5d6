# SPDX-License-Identifier: Apache-2.0
"""Problems and plans as data: JSON both ways, and what is refused."""

import json
from typing import Any

import pytest

from gatewright.errors import DataError
from gatewright.scheduler.fuzz import random_problem
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.methods import solve
from gatewright.scheduler.problem import Choice, Options, Problem, Repeat
from gatewright.scheduler.problem_json import plan_as_json, plan_from_json, problem_as_json, problem_from_json


@pytest.mark.parametrize("seed", [0, 1])
def test_json_both_ways(seed: int) -> None:
    problem = random_problem(seed)
    again = problem_from_json(json.loads(json.dumps(problem_as_json(problem))))
    assert again == problem
    plan = solve(problem)
    assert plan_from_json(json.loads(json.dumps(plan_as_json(plan)))) == plan
    assert solve(again) == plan


def test_a_small_file_by_hand() -> None:
    text = '{"operators": [{"name": "n", "choices": [{"key": {"pe": 2}, "cycles": 4, "cost": {"dsp": 2}}]}],'
    plan = solve(problem_from_json(json.loads(text + '"budget": {"dsp": 2}}')))
    assert plan.cycles == 4 and plan.chosen["n"].key == {"pe": 2} and plan.total == {"dsp": 2}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"budget": None}, "bad or missing"),
        ({"operators": []}, "no operators"),
        ({"operators": [{"name": "n", "choices": [{"key": 1, "cycle": 3}]}]}, "cycle"),
        ({"operators": [{"name": "n", "choices": []}]}, "operator n: no legal folding"),
        ({"operators": [{"name": "n", "choices": [{"key": 1, "cycles": [3, 4]}]}]}, "2 lengths"),
        ({"operators": [{"name": "n", "choices": [{"key": 1, "cycles": 3}], "inputs": ["m"]}]}, "reads m"),
        ({"repeats": [{"operators": ["q"], "times": 2}]}, "'q'"),
    ],
)
def test_refusals(change: dict[str, Any], words: str) -> None:
    good = {"operators": [{"name": "n", "choices": [{"key": 1, "cycles": 3}]}], "budget": {}}
    problem_from_json(good)
    with pytest.raises(DataError, match=words):
        problem_from_json(good | change)


def test_names_are_unique() -> None:
    one = Options("n", (Choice(1, (1.0,)),))
    with pytest.raises(DataError, match="there twice"):
        Problem((one, one), {})


def test_passes() -> None:
    one, two = Options("a", (Choice(1, (1.0, 2.0)),)), Options("b", (Choice(1, (1.0, 2.0)),), ("a",))
    problem = Problem((one, two), {}, Lengths.of([1, 2]), (Repeat(("b",), 6, "a", "b"),))
    assert (problem.times("a"), problem.times("b")) == (1, 6)
