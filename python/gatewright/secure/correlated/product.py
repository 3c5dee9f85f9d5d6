# SPDX-License-Identifier: Apache-2.0
"""One-sided matrix triple: the client's random A times the server's weight mask B."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gatewright.secure.correlated.correlation import Correlation, Field, Fields
from gatewright.secure.geometry import Geometry
from gatewright.secure.multiply import Operand
from gatewright.secure.role import Role
from gatewright.secure.words import Words, reduced

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers


class Product(Correlation):
    """`C0 + C1 = A * B` modulo 2**bits: B and C0 at the server, A and C1 at the client.

    B is drawn once per model. Its product with a fresh A reveals nothing, as C0 is fresh too.
    """

    def __init__(self, geometry: Geometry, bits: int, word: int) -> None:
        self.geometry, self.bits, self.word = geometry, bits, word
        self._mask: Operand | None = None
        self._words: Fields = {}

    def fields(self, role: Role) -> tuple[Field, ...]:
        g = self.geometry
        outputs = (g.positions, g.outputs)
        if role is Role.SERVER:
            return (
                Field("B", g.weight_shape, self.bits, kind=2, own=True, model=True),
                Field("C", outputs, self.bits, kind=1),
            )
        return Field("A", (g.tokens, g.inputs), self.bits, kind=0, own=True), Field("C", outputs, self.bits)

    def fix(self, server: Fields) -> None:
        self._words = server
        self._mask = Operand.of(server["B"], self.bits, self.word)

    def deal(self, server: Fields, client: Fields) -> Fields:
        assert self._mask is not None, "fix comes first"
        return {"C": self._mask.apply(self.geometry, client["A"]) - server["C"]}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """Gilboa: the client's choice bits are those of A; for each, the server offers all weights that it meets.

        Bit i of an element contributes 2**i times a weight, of which l - i bits matter (Gilboa, CRYPTO 1999).
        """
        g = self.geometry
        found = []
        # One query at a time bounds memory: an element meets taps * outputs weights.
        for k in range(count):
            if role is Role.SERVER:
                share = transfers.serve(np.tile(self._met(self._words["B"]), (g.tokens, 1)), self.bits)
            else:
                share = transfers.choose(own["A"][k].reshape(-1), g.taps * g.outputs // g.groups, self.bits)
            found.append(self._summed(share))
        return {"C": reduced(np.stack(found), self.bits)}

    def _met(self, weight: Words) -> Words:
        """[inputs, taps * outputs / groups]: the weights that an element of each channel meets."""
        g = self.geometry
        apart = weight.reshape(g.groups, g.taps, g.inputs // g.groups, -1).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(apart).reshape(g.inputs, -1)

    def _summed(self, products: Words) -> Words:
        """Products of every element with what it meets, to [positions, outputs]."""
        g = self.geometry
        apart = products.reshape(g.tokens, g.groups, g.inputs // g.groups, g.taps, -1)
        # The last token is padding's zero, which index -1 reads.
        tokens = np.zeros((g.tokens + 1, g.groups, g.taps, apart.shape[-1]), products.dtype)
        tokens[:-1] = apart.sum(axis=2, dtype=products.dtype)
        index, taps = g.index(), np.arange(g.taps)
        sums = tokens[index, :, taps].sum(axis=1, dtype=products.dtype)
        return sums.reshape(g.positions, g.outputs)
