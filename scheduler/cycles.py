# SPDX-License-Identifier: Apache-2.0
"""How many cycles a batch takes: a max-plus model, token by token, with links of finite length (`network`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.errors import DataError
from gatewright.scheduler.flow import Recorder, check_kind, in_order, stream
from gatewright.scheduler.pipeline import Pipeline
from gatewright.scheduler.unit import Work

EXACT_TOKENS = 300_000
"""Stage tokens that are simulated one by one; beyond, the rest of the batch is extrapolated."""

SETTLED = 12
"""Equal sequences after which the period is taken as it is."""


@dataclass(frozen=True)
class Prediction:
    """Cycles of a batch, counted from the first input beat to the last output beat, both included.

    Attributes:
        cycles: of the whole batch.
        finished: cycle in which each simulated sequence has left, from the first input beat.
        period: cycles per further sequence at the end of the simulated part.
        exact: every sequence was simulated; otherwise the tail is `period` times its number.
        peaks: most tokens on the link into each (operator, input).
    """

    cycles: int
    finished: tuple[int, ...]
    period: float
    exact: bool
    peaks: dict[tuple[str, int], int]


def simulate(pipeline: Pipeline, order: Sequence[int] = (0,), unlimited: bool = False) -> Prediction:
    """Every token of the batch.

    Args:
        order: kinds of the sequences, in the order in which they enter.
        unlimited: links between operators without end; `Prediction.peaks` are then the depths at which none throttles.

    Raises:
        SimulationError: the design deadlocks.
        DataError: stages and token counts do not fit together.
    """
    check_order(pipeline, order)
    recorder = Recorder()
    finished = tuple(v.finished for v in stream(pipeline, in_order(order), recorder, unlimited))
    period = float(finished[-1] - finished[-2]) if len(finished) > 1 else float(finished[0])
    return Prediction(finished[-1], finished, period, True, {(m.block, m.port): m.peak for m in recorder.marks})


def check_order(pipeline: Pipeline, order: Sequence[int]) -> None:
    """Raises DataError unless `order` is one or more kinds of the pipeline."""
    if not order:
        raise DataError("order", "no sequences", f"one or more kinds of 0 to {pipeline.kinds - 1}")
    for kind in order:
        check_kind(pipeline, kind)


def predict(pipeline: Pipeline, order: Sequence[int]) -> Prediction:
    """Cycles of the batch; exact while it is small, else a simulated head and a steady tail.

    For sequences of one kind the period is exact once it repeats. For mixed ones the tail is the mean of the
    second half of the head.

    Raises:
        as `simulate`.
    """
    work = sum(len(s.need) for o in pipeline.operators for s in o.stages[0]) + sum(
        s.tokens[0] for s in pipeline.sources
    )
    head = max(4, EXACT_TOKENS // max(1, work))
    if len(set(order)) == 1:
        head = min(head, SETTLED)
    if len(order) <= head:
        return simulate(pipeline, order)
    part = simulate(pipeline, order[:head])
    half = head // 2
    period = part.period
    if len(set(order)) > 1 or part.finished[-1] - part.finished[-2] != part.finished[-2] - part.finished[-3]:
        period = (part.finished[-1] - part.finished[half - 1]) / (head - half)
    cycles = round(part.cycles + period * (len(order) - head))
    return Prediction(cycles, part.finished, period, False, part.peaks)


def lower_bound(pipeline: Pipeline, order: Sequence[int]) -> int:
    """Cycles with links without end and free intake, in closed form: what no queue can improve on."""
    times, counts = {}, {}
    for source in pipeline.sources:
        counts[source.name] = [source.tokens[k] for k in order]
        times[source.name] = np.arange(1, sum(counts[source.name]) + 1) * source.interval - 1
    for operator in pipeline.operators:
        arrival = np.max([times[v] for v in operator.inputs], axis=0)
        tokens = counts[operator.inputs[0]]
        for index in range(len(operator.stages[0])):
            place = f"operator {operator.name}, stage {index}"
            works = [Work.of(operator.stages[k][index], n, place) for k, n in zip(order, tokens, strict=True)]
            first = np.concatenate([[0], np.cumsum(tokens)[:-1]])
            tokens = [len(work.need) for work in works]
            steps = np.concatenate([[0], np.cumsum(np.concatenate([work.interval for work in works])[1:])])
            latency = np.repeat([work.latency for work in works], tokens)
            ready = arrival[np.concatenate([w.need + at for w, at in zip(works, first, strict=True)])] + latency
            arrival = np.maximum.accumulate(ready - steps) + steps
        times[operator.name], counts[operator.name] = arrival, tokens
    return max(int(times[v][-1]) for v in pipeline.outputs) + 1
