# SPDX-License-Identifier: Apache-2.0
"""How far values go beyond their formats before golden saturates them: the margin that a program needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import is_dataclass, replace

import numpy as np

from gatewright.fixed import MAX_WIDTH, Fixed, Ints
from gatewright.graph import Graph, Op

RESERVE = 4
"""A sixteenth of a range is kept for rounding errors."""


def needed_margin(graph: Graph, sequences: Iterable[Ints]) -> dict[str, int]:
    """Least `margin` of `compile_program` with which no value of these samples leaves its ring, per node.

    Shares do not saturate. What leaves its ring comes back at the other end of it and spoils the query; so take the
    largest of these over more samples than calibration has seen.

    Args:
        graph: one input.
        sequences: samples of it, [tokens, channels] each.
    """
    found = {node.name: 0 for node in graph.nodes}
    (name,) = graph.inputs
    for sequence in sequences:
        values = graph.trace({name: sequence})
        for node in graph.nodes:
            wide = _unsaturated(node.op)
            if wide is not None:
                result = wide.evaluate(*(values[i] for i in node.inputs))
                found[node.name] = max(found[node.name], _beyond(result, graph.types[node.name].fixed))
    return found


def _unsaturated(op: Op) -> Op | None:
    """The operator without saturation; None if it has none."""
    form = getattr(op, "output", None)
    if not isinstance(form, Fixed) or not is_dataclass(op):
        return None
    return replace(op, output=Fixed(MAX_WIDTH, form.frac))


def _beyond(values: Ints, form: Fixed) -> int:
    """Bits by which values exceed a format, or as much of it again below 0 if it is unsigned."""
    if not values.size:
        return 0
    margin, low, high = 0, int(np.min(values)), int(np.max(values))
    while True:
        limit = (form.hi + 1) << margin
        # Rounding at random moves values by a unit here, and by more where earlier layers' units are multiplied.
        reserve = max(1, limit >> RESERVE) if margin else 0
        if -limit + reserve <= low and high < limit - reserve:
            return margin
        margin += 1
