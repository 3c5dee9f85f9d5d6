# SPDX-License-Identifier: Apache-2.0
"""Stages as a clocked machine sees them: what one may do in a cycle is asked of its state, not of a recurrence."""

import numpy as np

from gatewright.scheduler.pipeline import Stage


def room(arrived: list[int], taken: list[int], queue: int, now: int) -> bool:
    return len(arrived) < queue or (len(taken) > len(arrived) - queue and taken[len(arrived) - queue] < now)


def leave(s: Stage, need: np.ndarray, taken: list[int], out: list[int], gone: list[int], queue: int, now: int) -> bool:
    j = len(out)
    if j == len(need) or need[j] >= len(taken) or taken[need[j]] + s.latency > now:
        return False
    if (out and out[-1] + s.interval > now) or not room(out, gone, queue, now):
        return False
    out.append(now)
    return True


def take(
    s: Stage, need: np.ndarray, arrived: list[int], taken: list[int], out: list[int], tokens_in: int, now: int
) -> bool:
    i = len(taken)
    if i == tokens_in or len(arrived) <= i or arrived[i] > now or (taken and taken[-1] + s.intake > now):
        return False
    k = int(np.sum(need < i - s.ahead))
    if k > len(out):
        # The output is on its way: with nothing to stop it, its start lies `latency` before its departure.
        return False
    if k and out[k - 1] - s.latency + s.interval > now:
        return False
    taken.append(now)
    return True
