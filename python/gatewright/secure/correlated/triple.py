# SPDX-License-Identifier: Apache-2.0
"""Multiplication triples of shared values (Beaver, CRYPTO 1991), for elements and for matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gatewright.secure.correlated.correlation import BITS, Correlation, Field, Fields
from gatewright.secure.geometry import Geometry
from gatewright.secure.multiply import Operand
from gatewright.secure.role import Role
from gatewright.secure.words import Words, reduced

if TYPE_CHECKING:
    from gatewright.secure.correlated.transfer import Transfers


class Triple(Correlation):
    """Shares modulo 2**bits of uniform a [count], b [count] and c = a b."""

    def __init__(self, count: int, bits: int, word: int) -> None:
        self.count, self.bits, self.word = count, bits, word

    def fields(self, role: Role) -> tuple[Field, ...]:
        factors = [Field(n, (self.count,), self.bits, kind=BITS, own=True) for n in ("a", "b")]
        return *factors, Field("c", (self.count,), self.bits, kind=BITS if role is Role.SERVER else None)

    def deal(self, server: Fields, client: Fields) -> Fields:
        return {"c": (server["a"] + client["a"]) * (server["b"] + client["b"]) - server["c"]}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """Two cross terms: the server's a with the client's b, and the other way round."""
        a, b = (own[n].reshape(-1) for n in ("a", "b"))
        if role is Role.SERVER:
            cross = [transfers.serve(v[:, None], self.bits) for v in (a, b)]
        else:
            cross = [transfers.choose(v, 1, self.bits) for v in (b, a)]
        total = a * b + (cross[0] + cross[1])[:, 0]
        return {"c": reduced(total, self.bits).reshape(count, self.count)}


class MatrixTriple(Correlation):
    """Shares modulo 2**bits of uniform A [rows, depth], B [depth, columns] and C = A B."""

    def __init__(self, rows: int, depth: int, columns: int, bits: int, word: int) -> None:
        self.rows, self.depth, self.columns, self.bits, self.word = rows, depth, columns, bits, word

    def fields(self, role: Role) -> tuple[Field, ...]:
        shapes = {"a": (self.rows, self.depth), "b": (self.depth, self.columns), "c": (self.rows, self.columns)}
        product = BITS if role is Role.SERVER else None
        factors = [Field(n, shapes[n], self.bits, kind=BITS, own=True) for n in ("a", "b")]
        return *factors, Field("c", shapes["c"], self.bits, kind=product)

    def deal(self, server: Fields, client: Fields) -> Fields:
        a, b = (server[n] + client[n] for n in ("a", "b"))
        return {"c": matrix_products(a, b, self.bits) - server["c"]}

    def transfer(self, role: Role, transfers: Transfers, own: Fields, count: int) -> Fields:
        """Each element of the client's B meets a column of the server's A, each of its A a row of the server's B."""
        found = matrix_products(own["a"], own["b"], self.bits)
        for k in range(count):
            a, b = own["a"][k], own["b"][k]
            if role is Role.SERVER:
                columns = transfers.serve(np.repeat(a.T, self.columns, axis=0), self.bits)
                rows = transfers.serve(np.tile(b, (self.rows, 1)), self.bits)
            else:
                columns = transfers.choose(b.reshape(-1), self.rows, self.bits)
                rows = transfers.choose(a.reshape(-1), self.columns, self.bits)
            found[k] += columns.reshape(self.depth, self.columns, self.rows).sum(axis=0, dtype=a.dtype).T
            found[k] += rows.reshape(self.rows, self.depth, self.columns).sum(axis=1, dtype=a.dtype)
        return {"c": reduced(found, self.bits)}


def matrix_products(a: Words, b: Words, bits: int) -> Words:
    """[n, rows, depth] times [n, depth, columns] words, right modulo 2**bits."""
    geometry = Geometry(a.shape[1], a.shape[2], b.shape[2])
    word = a.dtype.itemsize * 8
    pairs = zip(a, b, strict=True)
    return np.concatenate([Operand.of(y[None], bits, word).apply(geometry, x[None]) for x, y in pairs])
