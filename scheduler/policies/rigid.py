# SPDX-License-Identifier: Apache-2.0
"""A pipeline of coarse stages that all move on together (Peng et al., DAC 2022, section 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from gatewright.errors import DataError
from gatewright.scheduler.machine import Machine
from gatewright.scheduler.pipeline import Ints, Pipeline
from gatewright.scheduler.policies._batch import Batch, closed
from gatewright.scheduler.trace import Schedule, Span
from gatewright.scheduler.work import pass_cycles, slowest

NAME = "rigid"
STAGES = 3
"""Coarse stages of Peng et al. (DAC 2022): projections and selection, attention, feed-forward."""


def schedule(
    machine: Machine,
    lengths: Sequence[int],
    arrival: Sequence[int] = (),
    stages: Sequence[Sequence[str]] | None = None,
    descending: bool = True,
) -> Schedule:
    """Every stage holds one sequence; a step takes as long as the slowest of those in flight, filling included.

    Layers follow each other through the same stages: a sequence enters its next layer when it has left the last
    stage. A step waits until the sequence that is due in it has come. Nothing else is charged.

    Args:
        stages: operators of each stage; those named in none are free. By default see `coarse`.
        descending: sequences enter by falling length, as in the paper; else as they come.
    """
    batch = Batch.of(machine, lengths, arrival)
    work = pass_cycles(machine.body)
    groups = [list(g) for g in stages] if stages else coarse(machine.body)
    unknown = sorted({name for g in groups for name in g} - set(work))
    if unknown or not all(groups):
        raise DataError("stages", f"{', '.join(unknown) or 'an empty stage'}", ", ".join(work))
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i] if descending else batch.arrival[i], i))
    times = np.asarray([slowest(work, names) for names in groups])[:, [batch.kinds[i] for i in order]]
    blocks = [f"stage {i + 1}: {g[0] if len(g) == 1 else f'{g[0]} .. {g[-1]}'}" for i, g in enumerate(groups)]
    spans, now, count = [], 0, len(order)
    for inside in occupants(count, machine.iterations, len(groups)):
        now = max([now, *(batch.arrival[order[index % count]] for _, index in inside)])
        for stage, index in inside:
            cycles = int(times[stage, index % count])
            last = now + cycles - 1
            spans.append(Span(blocks[stage], order[index % count], index // count, now, last, last, cycles))
        now += max(int(times[stage, index % count]) for stage, index in inside)
    return closed(NAME, machine, batch, spans, blocks, now)


def occupants(count: int, iterations: int, stages: int) -> list[list[tuple[int, int]]]:
    """Per step, the (stage, pass) pairs at work; pass p is sequence p % count in iteration p // count."""
    steps: list[int] = []
    for index in range(count * iterations):
        step = steps[-1] + 1 if steps else 0
        steps.append(max(step, steps[index - count] + stages) if index >= count else step)
    found: list[list[tuple[int, int]]] = [[] for _ in range(steps[-1] + stages)]
    for index, step in enumerate(steps):
        for stage in range(stages):
            found[step + stage].append((stage, index))
    return [inside for inside in found if inside]


def coarse(pipeline: Pipeline) -> list[list[str]]:
    """Operators in their order, cut into three stages: the second one begins with the first barrier, if there is one
    (an operator that waits for a sequence's last token); else the cuts are those of the least sum of stage times."""
    work = {name: int(cycles.max()) for name, cycles in pass_cycles(pipeline).items()}
    names, barriers = list(work), [i for i, name in enumerate(work) if name in _barriers(pipeline)]
    count = min(STAGES, len(names))
    cuts = list(combinations(range(1, len(names)), count - 1))
    if barriers and barriers[0] > 0 and count == STAGES:
        cuts = [c for c in cuts if c[0] == barriers[0]] or cuts

    def total(cut: tuple[int, ...]) -> int:
        return sum(max(work[n] for n in names[a:b]) for a, b in zip((0, *cut), (*cut, len(names)), strict=True))

    best = min(cuts, key=total)
    return [names[a:b] for a, b in zip((0, *best), (*best, len(names)), strict=True)]


def _barriers(pipeline: Pipeline) -> set[str]:
    kind = int(np.argmax(pipeline.sources[0].tokens))
    needs: dict[str, Ints] = {o.name: o.stages[kind][0].need for o in pipeline.operators if o.stages[kind]}
    return {name for name, need in needs.items() if len(need) > 1 and need[0] == need[-1]}
