# SPDX-License-Identifier: Apache-2.0
"""Ways to send a batch through a machine, one file each: every module here with a `NAME` is found.

A policy is a function `schedule(machine, lengths, arrival=(), **options) -> Schedule`; `lengths` are the tokens of the
sequences, `arrival` the cycles before which they are not there (none: all there from the start).
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Any, Protocol

from gatewright.errors import DataError
from gatewright.scheduler.machine import Machine
from gatewright.scheduler.trace import Schedule


class Policy(Protocol):
    """A module of this package."""

    NAME: str

    def schedule(
        self, machine: Machine, lengths: Sequence[int], arrival: Sequence[int] = (), **options: Any
    ) -> Schedule:
        """The batch on the machine.

        Raises:
            DataError: no sequences, a length that the machine has no kind for, or bad options.
            SimulationError: the design deadlocks.
        """


def policies() -> dict[str, Any]:
    """Every policy (a `Policy`) by its name."""
    names = (m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))
    # In the order of their names; `sorted` here is the module of that policy.
    found = (importlib.import_module(f"{__name__}.{name}") for name in names)
    return {module.NAME: module for module in found}


def schedule(
    machine: Machine, lengths: Sequence[int], policy: str = "arrival", arrival: Sequence[int] = (), **options: Any
) -> Schedule:
    """A batch on a machine by the policy of this name. Raises as `Policy.schedule`; DataError: no such policy."""
    known = policies()
    if policy not in known:
        raise DataError("policy", f"{policy!r}", ", ".join(known))
    found: Schedule = known[policy].schedule(machine, lengths, arrival, **options)
    return found
