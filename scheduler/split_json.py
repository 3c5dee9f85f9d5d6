# SPDX-License-Identifier: Apache-2.0
"""Networks over sites, problems of offloading, and what is chosen for them, from and to JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gatewright.errors import DataError
from gatewright.scheduler.offload import Channel, Mode, Offload, Plan, poisson
from gatewright.scheduler.series import INPUT, Node, series
from gatewright.scheduler.sites import Exit, Link, Network
from gatewright.scheduler.split import Limits, Measure, Split


def network_as_json(network: Network) -> dict[str, Any]:
    """Plain dictionaries and lists of a network; a block that cannot run on a site has null there."""
    data = asdict(network)
    for part in (*data["blocks"], *data["exits"]):
        part["seconds"] = [t if math.isfinite(t) else None for t in part["seconds"]]
    for part in (data, *data["exits"]):
        part["right"] = [int(r) for r in part["right"]]
    return data


def network_from_json(data: Mapping[str, Any]) -> Network:
    """A network from what `network_as_json` gives.

    Blocks with `inputs` (names of blocks, or "input") may form a graph, see `series`; without, each reads the one
    before it.

    Raises:
        DataError: a key is missing or unknown, or the network is wrong.
    """
    try:
        previous, nodes = INPUT, []
        for block in data["blocks"]:
            nodes.append(Node(**{"inputs": (previous,), **block, "seconds": _seconds(block["seconds"])}))
            previous = nodes[-1].name
        exits = []
        for one in data.get("exits", ()):
            entropy, right = tuple(map(float, one["entropy"])), tuple(map(bool, one["right"]))
            exits.append(Exit(**{**one, "seconds": _seconds(one["seconds"]), "entropy": entropy, "right": right}))
        parts = {
            "sites": tuple(data["sites"]),
            "links": tuple(Link(**link) for link in data["links"]),
            "blocks": series(nodes),
            "exits": tuple(exits),
            "right": tuple(map(bool, data["right"])),
        }
        return Network(**{**data, **parts})
    except (KeyError, TypeError, ValueError) as error:
        allowed = "sites, links, blocks, input_bytes, right, exits, answer_bytes"
        raise DataError("network", f"bad or missing key or value: {error}", allowed) from None


def _seconds(values: Sequence[float | None]) -> tuple[float, ...]:
    return tuple(math.inf if v is None else float(v) for v in values)


def split_as_json(found: Split) -> dict[str, Any]:
    """Plain dictionaries of a choice; an infinite threshold is null: everyone leaves."""
    thresholds = {k: v if math.isfinite(v) else None for k, v in found.thresholds.items()}
    return {**asdict(found), "cuts": list(found.cuts), "thresholds": thresholds}


def question_from_json(data: Mapping[str, Any]) -> tuple[Measure, dict[Measure, float]]:
    """Objective and limits, as `choose_split` takes them, from `{"objective": "latency", "limits": {"accuracy": 0.9}}`.

    Raises:
        DataError: an unknown measure.
    """
    try:
        limits = {Measure(name): float(value) for name, value in data.get("limits", {}).items()}
        return Measure(data.get("objective", Measure.LATENCY.value)), limits
    except ValueError as error:
        raise DataError("question", str(error), ", ".join(m.value for m in Measure)) from None


def question_as_json(objective: Measure, limits: Limits) -> dict[str, Any]:
    """What `question_from_json` reads."""
    return {"objective": objective.value, "limits": {m.value: v for m, v in limits.items()}}


def offload_from_json(data: Mapping[str, Any]) -> Offload:
    """A problem from what `asdict` gives; `arrivals` may be one number, the mean of a Poisson distribution.

    Raises:
        DataError: a key is missing or unknown, or the problem is wrong.
    """
    try:
        channel, arrivals = data["channel"], data["arrivals"]
        change = tuple(tuple(map(float, row)) for row in channel["change"])
        parts = {
            "arrivals": poisson(arrivals, data["capacity"]) if isinstance(arrivals, (int, float)) else tuple(arrivals),
            "channel": Channel(**{**channel, "bandwidth": tuple(channel["bandwidth"]), "change": change}),
            "modes": tuple(Mode(**mode) for mode in data["modes"]),
        }
        return Offload(**{**data, **parts})
    except (KeyError, TypeError, ValueError) as error:
        allowed = "slot, arrivals, capacity, channel of bandwidth, change, watts, and modes"
        raise DataError("offload", f"bad or missing key or value: {error}", allowed) from None


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Plain dictionaries of a policy."""
    return asdict(plan)
