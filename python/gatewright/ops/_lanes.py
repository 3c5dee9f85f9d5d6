# SPDX-License-Identifier: Apache-2.0
"""What operators that work channel by channel share: lane foldings and timing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gatewright.errors import GraphError
from gatewright.graph import Folding, Stage, TensorType

SKID_LATENCY = 1
"""Cycles through the register slice that ends every operator."""


def lane_foldings(channels: int) -> Iterator[Folding]:
    """Every number of lanes that divides the channels, fewest first."""
    yield from (Folding(lanes=d) for d in range(1, channels + 1) if channels % d == 0)


def check_lanes(lanes: int, *channels: int) -> None:
    """Raise GraphError unless `lanes` divides every channel count."""
    for count in channels:
        if count % lanes:
            raise GraphError("lanes", f"{lanes} does not divide {count} channels", "a divisor")


def lane_stage(folding: Folding, tokens: int, x: TensorType, latency: int = SKID_LATENCY) -> Stage:
    """Timing of an operator that passes tokens on, one beat per cycle."""
    return Stage(np.arange(tokens), x.channels // folding.lanes, latency)
