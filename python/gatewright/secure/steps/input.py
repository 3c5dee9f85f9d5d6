# SPDX-License-Identifier: Apache-2.0
"""The client's input: its own share is the value, the server's is zero."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.secure.side import Side
from gatewright.secure.step import Prepared, Step
from gatewright.secure.words import Words, word_type


@dataclass(frozen=True)
class Input(Step):
    """What the client brings."""

    def fits(self, *sources: Step) -> bool:
        return not sources

    def needs(self) -> tuple[int, ...]:
        return ()

    def prepare(self, side: Side, *shares: Words | None) -> Prepared:
        shape = (side.count, self.tokens, self.channels)
        return Prepared(np.zeros(shape, word_type(self.word)) if side.server else None)

    def run(self, side: Side, prepared: Prepared, *shares: Words) -> Words:
        found: Words = prepared.data["x"] if prepared.result is None else prepared.result
        return found
