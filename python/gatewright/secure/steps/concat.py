# SPDX-License-Identifier: Apache-2.0
"""Concatenation along the channels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.graph import Node
from gatewright.ops.concat import Concat
from gatewright.secure.planner import Builder, lowers
from gatewright.secure.side import Side
from gatewright.secure.step import Step, _Local
from gatewright.secure.words import Words


@dataclass(frozen=True)
class Join(_Local):
    """Channels of the first input, then those of the second."""

    def fits(self, *sources: Step) -> bool:
        tokens = all(s.tokens == self.tokens for s in sources)
        return len(sources) == 2 and tokens and sum(s.channels for s in sources) == self.channels

    def needs(self) -> tuple[int, ...]:
        return self.bits, self.bits

    def local(self, side: Side, *shares: Words) -> Words:
        return np.concatenate(shares, axis=2)


@lowers(Concat)
def lower(builder: Builder, node: Node, op: Concat) -> int:
    """One step."""
    inputs = builder.inputs(node)
    spans = [builder.span(i) for i in inputs]
    span = (min(s[0] for s in spans), max(s[1] for s in spans))
    return builder.add(Join, inputs, builder.shape(node), span)
