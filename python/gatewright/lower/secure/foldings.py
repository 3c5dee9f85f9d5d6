# SPDX-License-Identifier: Apache-2.0
"""The least hardware of each step that keeps a pace, the same at both parties."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gatewright.graph import Folding
from gatewright.lower.secure.cycles import product_cycles, values_cycles
from gatewright.secure.program import Program
from gatewright.secure.step import Step
from gatewright.secure.steps.average_pool import WindowSum
from gatewright.secure.steps.product import Product
from gatewright.secure.steps.x2act import X2act


def choose(program: Program, target: float) -> dict[int, Folding]:
    """Foldings of every step that has one.

    Args:
        target: cycles per query that are fast enough for a single step; where a step cannot be as fast, it gets as
            fast as it can.
    """
    found = {}
    for index, step in enumerate(program.steps):
        options = [(cycles, multipliers, folding) for cycles, multipliers, folding in _options(step)]
        if options:
            fast = [o for o in options if o[0] <= target] or [min(options, key=lambda o: (o[0], o[1]))]
            found[index] = min(fast, key=lambda o: (o[1], o[0]))[2]
    return found


def _options(step: Step) -> Iterator[tuple[float, int, Folding]]:
    """(cycles per query, multipliers, folding)."""
    if isinstance(step, Product):
        g = step.geometry
        for simd in _divisors(g.depth):
            if g.window is not None and g.taps % simd and simd % g.taps:
                continue
            for pe in _divisors(g.outputs // g.groups):
                folding = Folding(lanes=1, simd=simd, pe=pe)
                yield product_cycles(g, folding), simd * pe, folding
    elif isinstance(step, X2act):
        for lanes in _divisors(step.channels):
            yield values_cycles(step.count, lanes), lanes, Folding(lanes=lanes)
    elif isinstance(step, WindowSum):
        for lanes in _divisors(step.channels):
            yield values_cycles(step.geometry.tokens * step.channels, lanes), lanes, Folding(lanes=lanes)


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


Foldings = Mapping[int, Folding]
