# SPDX-License-Identifier: Apache-2.0
"""Several sequences packed into windows of one size."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.errors import DataError
from gatewright.scheduler.machine import Machine
from gatewright.scheduler.policies._batch import Batch, closed, kind_of
from gatewright.scheduler.trace import Schedule, Span
from gatewright.scheduler.work import pass_cycles, slowest

NAME = "packed"
BLOCK = "slowest operator"


def schedule(
    machine: Machine, lengths: Sequence[int], arrival: Sequence[int] = (), size: int | None = None
) -> Schedule:
    """Windows one behind the other, each at the pace of the slowest operator for a sequence as long as the window.

    A window starts when all its sequences are there. Nothing but what stays empty is charged; in a window each
    sequence gets the share of the time that it has of the window's tokens.

    Args:
        size: tokens of a window; by default those of the machine's longest kind of sequence.
    """
    batch = Batch.of(machine, lengths, arrival)
    size = size or max(machine.lengths)
    cycles = int(slowest(pass_cycles(machine.body))[kind_of(machine, size)])
    spans, now = [], 0
    for window in windows(lengths, size):
        now = max([now, *(batch.arrival[i] for i in window)])
        for iteration in range(machine.iterations):
            used = 0
            for index in window:
                start, used = now + cycles * used // size, used + lengths[index]
                last = now + cycles * used // size - 1
                spans.append(Span(BLOCK, index, iteration, start, last, last, last - start + 1))
            now += cycles
    return closed(NAME, machine, batch, spans, [BLOCK], now)


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
