# SPDX-License-Identifier: Apache-2.0
"""Largest value of a window, by a tournament."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gatewright.graph import Node
from gatewright.ops import max_pool
from gatewright.ops._window import Window
from gatewright.secure.correlated.correlation import Correlation
from gatewright.secure.geometry import Geometry
from gatewright.secure.legality import MOST
from gatewright.secure.planner import Builder, lowers
from gatewright.secure.rectify import Rectifier
from gatewright.secure.side import Side
from gatewright.secure.step import Exchange, Prepared, Step
from gatewright.secure.steps.relu import Relu
from gatewright.secure.words import Words, signed_bits, to_words


@dataclass(frozen=True)
class MaxPool(Step):
    """Pairs of taps give `max(a, b) = b + relu(a - b)`, level by level.

    Attributes:
        geometry: windows; inputs are the channels.
        compare: bits that hold a difference as a signed number.
        low: what padding counts as: no value is less.
    """

    geometry: Geometry
    compare: int
    low: int

    def fits(self, *sources: Step) -> bool:
        if len(sources) != 1 or not self.geometry.fits(sources[0].tokens, sources[0].channels, MOST):
            return False
        same = self.geometry.groups == 1 and 1 <= self.compare <= self.word and abs(self.low) < 1 << 62
        return same and (self.geometry.positions, self.geometry.outputs) == (self.tokens, self.channels)

    @property
    def ring(self) -> int:
        """Bits of all rings here; comparisons take only the lower ones."""
        return max(self.bits, self.compare)

    def levels(self) -> list[Rectifier]:
        """One per level of the tournament."""
        found, taps = [], self.geometry.taps
        while taps > 1:
            count = taps // 2 * self.count
            found.append(Rectifier(count, self.compare, self.ring, self.word, False))
            taps -= taps // 2
        return found

    def needs(self) -> tuple[int, ...]:
        return (self.ring,)

    def correlations(self) -> dict[str, Correlation]:
        return {k: c for n, level in enumerate(self.levels()) for k, c in level.correlations(f"level{n}.").items()}

    def exchanges(self) -> tuple[Exchange, ...]:
        return tuple(e for level in self.levels() for e in level.exchanges())

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        (x,) = shares
        count = len(x)
        # Tap by tap: [queries, taps, positions, channels].
        border = np.full((count, 1, self.channels), self.low if side.server else 0)
        extended = np.concatenate([x, to_words(border, self.word)], axis=1)
        taps = extended[:, self.geometry.index().T]
        for n, level in enumerate(self.levels()):
            half = taps.shape[1] // 2
            a, b = taps[:, :half], taps[:, half : 2 * half]
            larger = level.run(side, f"level{n}.", (a - b).reshape(count, -1)).reshape(b.shape)
            taps = np.concatenate([b + larger, taps[:, 2 * half :]], axis=1)
        return taps[:, 0]


@lowers(max_pool.MaxPool)
def lower(builder: Builder, node: Node, op: max_pool.MaxPool) -> int:
    """See `tournament`."""
    return tournament(builder, node, op.window())


def tournament(builder: Builder, node: Node, window: Window) -> int:
    """The largest of each window. A ReLU that nothing else reads moves behind it, where fewer values are left.

    `max(relu(a), relu(b)) = relu(max(a, b))`.
    """
    (source,), (kind,) = builder.inputs(node), builder.types(node)
    assert isinstance(kind.tokens, int)
    geometry = Geometry(kind.tokens, kind.channels, kind.channels, 1, window)
    before = builder.planned[source].step
    alone = len(builder.graph.users[node.inputs[0]]) == 1
    moved = alone and isinstance(before, Relu)
    index = before.inputs[0] if moved else source
    low, high = builder.span(index)
    compare = signed_bits(low - high, high - low)
    shape = builder.shape(node)
    index = builder.add(MaxPool, (index,), shape, (low, high), geometry=geometry, compare=compare, low=low)
    if not moved:
        return index
    assert isinstance(before, Relu)
    rest = replace(before, inputs=(index,), tokens=shape[0])
    return builder.add(Relu, rest.inputs, shape, builder.span(source), compare=rest.compare)
