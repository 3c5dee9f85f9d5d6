# SPDX-License-Identifier: Apache-2.0
"""Sum of two shared values."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.graph import Node
from gatewright.ops.add import Add
from gatewright.secure.planner import Builder, lowers
from gatewright.secure.side import Side
from gatewright.secure.step import Step, _Local
from gatewright.secure.words import Words


@dataclass(frozen=True)
class Sum(_Local):
    """`(a << left[0]) + (b << left[1])`.

    Attributes:
        left: left shift of each input.
    """

    left: tuple[int, int]

    def fits(self, *sources: Step) -> bool:
        return super().fits(*sources) and all(0 <= k < self.word for k in self.left)

    def needs(self) -> tuple[int, ...]:
        return tuple(max(1, self.bits - k) for k in self.left)

    def local(self, side: Side, *shares: Words) -> Words:
        a, b = shares
        kind = a.dtype.type
        return (a << kind(self.left[0])) + (b << kind(self.left[1]))


@lowers(Add)
def lower(builder: Builder, node: Node, op: Add) -> int:
    """Aligned sum, then the shift to the output's format."""
    inputs = builder.inputs(node)
    index = builder.add(Sum, inputs, builder.shape(node), None, left=op.left)
    signed = any(builder.span(i)[0] < 0 for i in inputs)
    return builder.requantized(index, op.shift, op.output, relu=signed, signed=signed)
