# SPDX-License-Identifier: Apache-2.0
"""Random folding problems of realistic sizes. One seed makes one problem."""

from __future__ import annotations

import numpy as np

from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.problem import Choice, Options, Problem, Repeat

RESOURCES = ("lut", "ff", "dsp", "bram36", "bandwidth")


def random_problem(seed: int) -> Problem:
    """5 to 15 operators of 10 to 60 foldings each, five resources of which any may be the scarce one, three lengths.

    Cycles fall as the parallelism of a folding, costs rise with it, with scatter; products are made in DSPs or in LUTs
    and rows kept in block memory or in LUTs, so that foldings trade resources. One operator in five is
    quadratic in the length and waits for all of its input, as attention does. Every second problem has a loop.
    """
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.choice(np.arange(4, 200), 3, replace=False))
    lengths = Lengths.of({int(n): float(w) for n, w in zip(drawn, rng.random(3) + 0.1, strict=True)})
    operators: list[Options] = []
    for index in range(int(rng.integers(5, 16))):
        count = int(rng.integers(1, 3))
        inputs = {operators[int(rng.integers(index))].name for _ in range(count)} if index else set()
        operators.append(_operator(rng, f"op{index}", tuple(sorted(inputs)), lengths))
    repeats = (_loop(operators),) if seed % 2 else ()
    # The slowest choices fit together; what is above them is scarce.
    least = [max(o.choices, key=lambda c: c.cycles).cost for o in operators]
    bounds = [(sum(c[k] for c in least), sum(max(c.cost[k] for c in o.choices) for o in operators)) for k in RESOURCES]
    shares = 10 ** rng.uniform(-2.5, -0.7, len(RESOURCES))
    budget = {k: float(np.ceil(lo + s * (hi - lo))) for k, (lo, hi), s in zip(RESOURCES, bounds, shares, strict=True)}
    return Problem(tuple(operators), budget, lengths, repeats)


def _operator(rng: np.random.Generator, name: str, inputs: tuple[str, ...], lengths: Lengths) -> Options:
    work, waits = float(10 ** rng.uniform(3, 6)), bool(rng.random() < 0.2)
    choices = []
    for key in range(int(rng.integers(10, 61))):
        parallel = int(2 ** rng.uniform(0, 10))
        cycles = tuple(float(np.ceil(work * n * (n / 60 if waits else 1) / parallel)) for n in lengths.values)
        scatter = rng.uniform(0.8, 1.25, len(RESOURCES))
        dsp, blocks = (bool(rng.random() < 0.6) for _ in range(2))
        ideal = (60 + (20 if dsp else 80) * parallel + (0 if blocks else 600 + 15 * parallel), 50 + 25 * parallel,
                 parallel * dsp, (2 + parallel / 8) * blocks, parallel / 3)  # fmt: skip
        cost = {k: float(np.ceil(2 * i * s) / 2) for k, i, s in zip(RESOURCES, ideal, scatter, strict=True)}
        choices.append(Choice(key, cycles, cost, (float(20 + work // parallel),) * len(cycles)))
    return Options(name, tuple(choices), inputs, (1.0,) * len(lengths.values) if waits else ())


def _loop(operators: list[Options]) -> Repeat:
    """The middle third goes round three times, from its first operator's input to its last operator."""
    third = len(operators) // 3
    body = operators[third : 2 * third]
    return Repeat(tuple(o.name for o in body), 3, body[0].inputs[0], body[-1].name)
