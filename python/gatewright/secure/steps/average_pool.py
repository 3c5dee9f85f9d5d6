# SPDX-License-Identifier: Apache-2.0
"""Means: sums of windows are local; the division is part of the truncation."""

from __future__ import annotations

from dataclasses import dataclass

from gatewright.fixed import Fixed
from gatewright.graph import Node
from gatewright.ops._reciprocal import divider, fraction_bits, reciprocal
from gatewright.ops._window import Window, sequence_window
from gatewright.ops.average_pool import AveragePool
from gatewright.ops.global_pool import GlobalPool, Kind
from gatewright.secure.geometry import Geometry
from gatewright.secure.legality import MOST
from gatewright.secure.planner import Builder, lowers
from gatewright.secure.side import Side
from gatewright.secure.step import Step, _Local
from gatewright.secure.words import Words


@dataclass(frozen=True)
class WindowSum(_Local):
    """`factor` times the sum of every window, per channel; padding is zero.

    Attributes:
        geometry: windows, with as many groups as channels.
        factor: public; 1 where the number of taps is a power of two.
    """

    geometry: Geometry
    factor: int

    def fits(self, *sources: Step) -> bool:
        if len(sources) != 1 or not self.geometry.fits(sources[0].tokens, sources[0].channels, MOST):
            return False
        same = self.geometry.groups == self.channels and 0 < self.factor < 1 << self.word
        return same and (self.geometry.positions, self.geometry.outputs) == (self.tokens, self.channels)

    def needs(self) -> tuple[int, ...]:
        return (self.bits,)

    def local(self, side: Side, *shares: Words) -> Words:
        (x,) = shares
        g = self.geometry
        # Every channel is a group of its own: [channels, queries * positions, taps].
        sums = g.patches(x).sum(axis=2, dtype=x.dtype, keepdims=True)
        return g.gathered(sums * x.dtype.type(self.factor), len(x))


@lowers(AveragePool)
def lower(builder: Builder, node: Node, op: AveragePool) -> int:
    """Sum, then one shift for the division and the change of format."""
    factor, fraction = divider(op.window().taps)
    return _mean(builder, node, op.window(), factor, fraction + op.shift, op.output)


def _mean(builder: Builder, node: Node, window: Window, factor: int, shift: int, output: Fixed) -> int:
    (index,), (kind,) = builder.inputs(node), builder.types(node)
    assert isinstance(kind.tokens, int)
    geometry = Geometry(kind.tokens, kind.channels, kind.channels, kind.channels, window)
    total = builder.add(WindowSum, (index,), builder.shape(node), None, geometry=geometry, factor=factor)
    signed = builder.span(index)[0] < 0
    return builder.requantized(total, shift, output, relu=signed, signed=signed)


@lowers(GlobalPool)
def lower_global(builder: Builder, node: Node, op: GlobalPool) -> int:
    """All tokens are one window."""
    from gatewright.secure.steps.max_pool import tournament

    (kind,) = builder.types(node)
    assert isinstance(kind.tokens, int)
    window = sequence_window((kind.tokens,), (1,), (0,), (1,))
    if op.kind is Kind.MAX:
        return tournament(builder, node, window)
    fraction = fraction_bits(op.most)
    return _mean(builder, node, window, reciprocal(kind.tokens, fraction), fraction + op.shift, op.output)
