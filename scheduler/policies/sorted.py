# SPDX-License-Identifier: Apache-2.0
"""The longest sequence first."""

from __future__ import annotations

from collections.abc import Sequence

from gatewright.scheduler.machine import Machine
from gatewright.scheduler.policies._batch import send
from gatewright.scheduler.trace import Schedule

NAME = "sorted"


def schedule(machine: Machine, lengths: Sequence[int], arrival: Sequence[int] = ()) -> Schedule:
    """Of those that are there, the longest one enters: the machine drains with short ones."""
    return send(NAME, machine, lengths, arrival, lambda tokens: -tokens)
