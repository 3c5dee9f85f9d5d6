# SPDX-License-Identifier: Apache-2.0
"""Between graph and scheduler: which foldings there are, what they cost and take; plans for boards; waiting tokens."""

from gatewright.schedule.links import Link, high_water
from gatewright.schedule.model import USABLE, fabric, model
from gatewright.schedule.nodes import (
    all_nodes,
    bottleneck,
    cycles_per_sequence,
    inside,
    iterations,
    longest,
    node_cycles,
    node_stages,
    tokens_at,
)
from gatewright.schedule.planning import evaluate, plan
from gatewright.schedule.show import table

__all__ = [
    "USABLE",
    "Link",
    "all_nodes",
    "bottleneck",
    "cycles_per_sequence",
    "evaluate",
    "fabric",
    "high_water",
    "inside",
    "iterations",
    "longest",
    "model",
    "node_cycles",
    "node_stages",
    "plan",
    "table",
    "tokens_at",
]
