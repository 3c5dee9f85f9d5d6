# SPDX-License-Identifier: Apache-2.0
"""How steps of a program become hardware: functions that place one step in a party's datapath, found by step class."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from gatewright.errors import NotExpressibleError
from gatewright.graph import Folding
from gatewright.lower.secure.party import Party
from gatewright.lower.writer import Stream
from gatewright.secure.step import Step

Constants = Mapping[str, npt.NDArray[Any]]
"""What a party keeps of a step: the server `weight`, `bias`, `constant`; the client the masked weights, `masked`."""
Placement = Callable[[Party, int, Any, "Stream | None", Folding, Constants], "Stream | None"]
"""(party, index of the step, step, its input, folding, constants) -> its result; None is a share of zero."""
PLACEMENTS: dict[type[Step], Placement] = {}
F = TypeVar("F", bound=Placement)


def places(step: type[Step]) -> Callable[[F], F]:
    """Register how steps of one class are placed."""

    def register(function: F) -> F:
        PLACEMENTS[step] = function
        return function

    return register


def place(
    party: Party, index: int, step: Step, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """Place a step of any class.

    Raises:
        NotExpressibleError: there is no hardware for it.
    """
    import gatewright.lower.secure.steps  # noqa: F401  placements register themselves

    placement = PLACEMENTS.get(type(step))
    if placement is None:
        known = ", ".join(sorted(s.__name__ for s in PLACEMENTS))
        raise NotExpressibleError(f"step {index}", f"{type(step).__name__} has no datapath", known)
    return placement(party, index, step, source, folding, constants)


def present(source: Stream | None, index: int, step: Step) -> Stream:
    """The input of a step that computes on shares of both parties.

    Raises:
        NotExpressibleError: the server's share is still the zero of the client's input.
    """
    if source is None:
        problem = f"{type(step).__name__} before the first product, where the server has no share"
        raise NotExpressibleError(f"step {index}", problem, "a product or convolution first")
    return source


def as_fields(words: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Integers or words of up to 64 bits as fields of memory rows."""
    found = np.asarray(words)
    return found.astype(np.uint64).view(np.int64) if found.dtype.kind == "u" else found.astype(np.int64)
