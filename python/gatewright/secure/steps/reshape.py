# SPDX-License-Identifier: Apache-2.0
"""Regrouping into tokens of another size."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.graph import Node
from gatewright.ops import reshape
from gatewright.secure.planner import Builder, lowers
from gatewright.secure.side import Side
from gatewright.secure.step import Step, _Local
from gatewright.secure.words import Words


@dataclass(frozen=True)
class Reshape(_Local):
    """The same channels in the same order."""

    def fits(self, *sources: Step) -> bool:
        return len(sources) == 1 and sources[0].count == self.count

    def needs(self) -> tuple[int, ...]:
        return (self.bits,)

    def local(self, side: Side, *shares: Words) -> Words:
        return shares[0].reshape(-1, self.tokens, self.channels)


@lowers(reshape.Reshape)
def lower(builder: Builder, node: Node, op: reshape.Reshape) -> int:
    """One step."""
    inputs = builder.inputs(node)
    return builder.add(Reshape, inputs, builder.shape(node), builder.span(inputs[0]))
