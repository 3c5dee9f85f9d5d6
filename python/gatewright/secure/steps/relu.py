# SPDX-License-Identifier: Apache-2.0
"""Rectified linear unit by comparison."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.graph import Node
from gatewright.ops import relu
from gatewright.secure.correlated.correlation import Correlation
from gatewright.secure.planner import Builder, lowers
from gatewright.secure.rectify import Rectifier
from gatewright.secure.side import Side
from gatewright.secure.step import Exchange, Prepared, Step
from gatewright.secure.words import Words, signed_bits


@dataclass(frozen=True)
class Relu(Step):
    """`max(x, 0)` modulo 2**bits; a larger ring than the input's is reached in the same rounds.

    Attributes:
        compare: bits that hold x as a signed number.
    """

    compare: int

    @property
    def rectifier(self) -> Rectifier:
        """The protocol."""
        return Rectifier(self.count, self.compare, self.bits, self.word, self.bits > self.compare)

    def fits(self, *sources: Step) -> bool:
        return super().fits(*sources) and 1 <= self.compare <= self.word

    def needs(self) -> tuple[int, ...]:
        return (self.rectifier.source,)

    def correlations(self) -> dict[str, Correlation]:
        return self.rectifier.correlations("")

    def exchanges(self) -> tuple[Exchange, ...]:
        return self.rectifier.exchanges()

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        (x,) = shares
        return self.rectifier.run(side, "", x.reshape(len(x), -1)).reshape(x.shape)


@lowers(relu.Relu)
def lower(builder: Builder, node: Node, op: relu.Relu) -> int:
    """One step; none where nothing can be negative."""
    (index,) = builder.inputs(node)
    low, high = builder.span(index)
    if low >= 0:
        return index
    return builder.add(Relu, (index,), builder.shape(node), (0, high), compare=signed_bits(low, high))
