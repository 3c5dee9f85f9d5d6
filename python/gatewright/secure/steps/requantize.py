# SPDX-License-Identifier: Apache-2.0
"""Change of format: a truncation; a ReLU where an unsigned format takes a signed value."""

from __future__ import annotations

from gatewright.graph import Node
from gatewright.ops.requantize import Requantize
from gatewright.secure.planner import Builder, lowers


@lowers(Requantize)
def lower(builder: Builder, node: Node, op: Requantize) -> int:
    """No step of its own."""
    (index,) = builder.inputs(node)
    signed = builder.span(index)[0] < 0
    return builder.requantized(index, op.shift, op.output, relu=signed, signed=signed)
