# SPDX-License-Identifier: Apache-2.0
"""The shortest sequence first."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.scheduler.machine import Machine
from gatewright.scheduler.policies._batch import send
from gatewright.scheduler.trace import Schedule

NAME = "shortest"


def schedule(machine: Machine, lengths: Sequence[int], arrival: Sequence[int] = ()) -> Schedule:
    """Of those that are there, the shortest one enters: the least mean time to finish."""
    return send(NAME, machine, lengths, arrival, lambda tokens: tokens)
