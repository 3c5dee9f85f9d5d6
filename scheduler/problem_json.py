# SPDX-License-Identifier: Apache-2.0
"""Problems and plans as JSON, both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from gatewright.errors import DataError
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.problem import ONE, Choice, Options, Plan, Problem, Repeat


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """Plain dictionaries and lists."""
    return {
        "operators": [
            {
                "name": o.name,
                "choices": [_choice(c) for c in o.choices],
                "inputs": [*o.inputs],
                "wait": [*o.wait],
                "elements": [*o.elements],
            }
            for o in problem.operators
        ],
        "budget": dict(problem.budget),
        "lengths": problem.lengths.as_json(),
        "repeats": [asdict(r) | {"operators": [*r.operators]} for r in problem.repeats],
    }


def problem_from_json(data: Mapping[str, Any]) -> Problem:
    """Inverse of `problem_as_json`; `cycles`, `delay` and `span` may be plain numbers if there is one length.

    Raises:
        DataError: a key is missing or unknown, or the problem is not consistent.
    """
    try:
        operators = tuple(
            Options(
                o["name"],
                tuple(_read_choice(c) for c in o["choices"]),
                tuple(o.get("inputs", ())),
                tuple(o.get("wait", ())),
                tuple(o.get("elements", ())),
            )
            for o in data["operators"]
        )
        lengths = Lengths.of(data["lengths"]) if "lengths" in data else ONE
        repeats = tuple(Repeat(**r | {"operators": tuple(r["operators"])}) for r in data.get("repeats", ()))
        return Problem(operators, dict(data["budget"]), lengths, repeats)
    except (KeyError, TypeError) as error:
        raise DataError("problem", f"bad or missing key: {error}", "the form that problem_as_json writes") from None


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Plain dictionaries and lists."""
    data = {f: getattr(plan, f) for f in ("cycles", "latency", "objective", "value", "bound", "method")}
    amounts = {"total": dict(plan.total), "loads": dict(plan.loads)}
    return {"chosen": {k: _choice(c) for k, c in plan.chosen.items()}, **amounts, **data}


def plan_from_json(data: Mapping[str, Any]) -> Plan:
    """Inverse of `plan_as_json`.

    Raises:
        DataError: a key is missing or unknown.
    """
    try:
        chosen = {k: _read_choice(c) for k, c in data["chosen"].items()}
        return Plan(**{**data, "chosen": chosen})
    except (KeyError, TypeError) as error:
        raise DataError("plan", f"bad or missing key: {error}", "the form that plan_as_json writes") from None


def _choice(choice: Choice) -> dict[str, Any]:
    figures = {k: [*getattr(choice, k)] for k in ("cycles", "delay", "span")}
    ports = {k: getattr(choice, k) for k in ("reads", "writes")}
    return {"key": choice.key, "cost": dict(choice.cost), **figures, **ports}


def _read_choice(data: Mapping[str, Any]) -> Choice:
    figures = {k: _figures(data[k]) for k in ("cycles", "delay", "span") if k in data}
    return Choice(**{**data, **figures})


def _figures(given: Any) -> tuple[float, ...]:
    return (float(given),) if isinstance(given, int | float) else tuple(given)
