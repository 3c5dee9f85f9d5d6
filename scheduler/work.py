# SPDX-License-Identifier: Apache-2.0
"""What each operator of a pipeline has to do, in closed form: bounds, and machines that are compared with.

Times are cycles per pass: `work[operator][k]` is what a sequence of kind k needs in the slowest stage of an operator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gatewright.scheduler.pipeline import Ints, Pipeline, StageLike


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
