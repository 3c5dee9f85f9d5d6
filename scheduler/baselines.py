# SPDX-License-Identifier: Apache-2.0
"""What a batch of sequences would take on other machines with the same stage times as the ring's.

Times are cycles per pass: `work[operator][k]` is what sequence k needs in the slowest stage of an operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gatewright.errors import DataError
from gatewright.scheduler.pipeline import Ints, Pipeline, StageLike

STAGES = 3
"""Coarse stages of Peng et al. (DAC 2022): projections and selection, attention, feed-forward."""


def pass_cycles(pipeline: Pipeline) -> dict[str, Ints]:
    """Per operator, [kinds] cycles of its slowest stage for one pass; without operators that are wiring."""
    tokens: dict[str, Sequence[int]] = {s.name: s.tokens for s in pipeline.sources}
    found = {}
    for operator in pipeline.operators:
        counts = tokens[operator.inputs[0]]
        if operator.stages[0]:
            pairs = zip(operator.stages, counts, strict=True)
            found[operator.name] = np.asarray([_slowest(stages, n) for stages, n in pairs], np.int64)
        tokens[operator.name] = [
            len(stages[-1].need) if stages else n for stages, n in zip(operator.stages, counts, strict=True)
        ]
    return found


def _slowest(stages: Sequence[StageLike], tokens: int) -> int:
    """Cycles of the slowest stage; one that takes its inputs more slowly than it gives outputs counts by those."""
    slowest = 0
    for stage in stages:
        leaving = int(np.broadcast_to(stage.interval, len(stage.need)).sum())
        slowest = max(slowest, leaving, getattr(stage, "intake", 1) * tokens)
        tokens = len(stage.need)
    return slowest


def slowest(work: Mapping[str, Ints], names: Sequence[str] | None = None) -> Ints:
    """[kinds] cycles of the slowest of some operators, of all by default."""
    return np.max([work[name] for name in names or list(work)], axis=0)


def ideal(work: Mapping[str, Ints], order: Sequence[int], iterations: int) -> int:
    """Cycles in which the operator that has most to do never waits: no order and no buffer can do better.

    Args:
        order: kinds of the sequences.
    """
    return iterations * max(int(cycles[list(order)].sum()) for cycles in work.values())


def padded(work: Mapping[str, Ints], to: int, count: int, iterations: int) -> int:
    """Cycles of `count` sequences that are all made as long as kind `to`; nothing but padding is lost."""
    return iterations * count * int(slowest(work)[to])


def windows(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Sequences packed into windows of `size` tokens, longest first, each into the first window that has room.

    Returns:
        indices of the sequences in each window.

    Raises:
        DataError: a sequence is longer than a window.
    """
    if max(lengths, default=0) > size:
        raise DataError("windows", f"a sequence of {max(lengths)} tokens", f"at most {size}, the size of a window")
    found: list[list[int]] = []
    room: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fits = [w for w, left in enumerate(room) if left >= lengths[index]]
        if not fits:
            fits = [len(room)]
            found.append([])
            room.append(size)
        found[fits[0]].append(index)
        room[fits[0]] -= lengths[index]
    return found


def rigid(times: Ints, iterations: int) -> int:
    """Cycles of a pipeline of coarse stages that all move on together (Peng et al., DAC 2022, section 4.2).

    Every stage holds one sequence; a step takes as long as the slowest of those in flight. Layers follow each other
    through the same stages: a sequence enters its next layer when it has left the last stage.

    Args:
        times: [stages, sequences] cycles, sequences in the order in which they enter.
    """
    stages, count = times.shape
    steps: list[int] = []
    for index in range(count * iterations):
        step = steps[-1] + 1 if steps else 0
        steps.append(max(step, steps[index - count] + stages) if index >= count else step)
    length = np.zeros(steps[-1] + stages, np.int64)
    for index, step in enumerate(steps):
        at = slice(step, step + stages)
        length[at] = np.maximum(length[at], times[:, index % count])
    return int(length.sum())
