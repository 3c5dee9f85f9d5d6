# SPDX-License-Identifier: Apache-2.0
"""Every sequence made as long as the longest one of the batch, or as a maximum."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.errors import DataError
from gatewright.scheduler.machine import Machine
from gatewright.scheduler.policies._batch import Batch, closed, kind_of
from gatewright.scheduler.trace import Schedule, Span
from gatewright.scheduler.work import pass_cycles, slowest

NAME = "padding"
BLOCK = "slowest operator"


def schedule(machine: Machine, lengths: Sequence[int], arrival: Sequence[int] = (), to: int | None = None) -> Schedule:
    """Passes one behind the other at the pace of the slowest operator; nothing but padding is charged.

    Args:
        to: tokens of every sequence; by default those of the longest one.
    """
    batch = Batch.of(machine, lengths, arrival)
    longest = max(lengths)
    if to is not None and to < longest:
        raise DataError("padding", f"to {to} tokens, with a sequence of {longest}", f"{longest} or more")
    cycles = int(slowest(pass_cycles(machine.body))[kind_of(machine, to or longest)])
    spans, now = [], 0
    for index in sorted(range(len(lengths)), key=lambda i: (batch.arrival[i], i)):
        now = max(now, batch.arrival[index])
        for iteration in range(machine.iterations):
            last = now + cycles - 1
            spans.append(Span(BLOCK, index, iteration, now, last, last, cycles))
            now += cycles
    return closed(NAME, machine, batch, spans, [BLOCK], now)
