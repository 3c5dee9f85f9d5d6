# SPDX-License-Identifier: Apache-2.0
"""First come, first served."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.scheduler.machine import Machine
from gatewright.scheduler.policies._batch import send
from gatewright.scheduler.trace import Schedule

NAME = "arrival"


def schedule(machine: Machine, lengths: Sequence[int], arrival: Sequence[int] = ()) -> Schedule:
    """The hardware's own order: sequences enter as they come."""
    return send(NAME, machine, lengths, arrival, lambda tokens: 0)
