# SPDX-License-Identifier: Apache-2.0
"""ReLU on shares: the sign by a tree of bit products, then a choice between the value and zero.

The sign of x0 + x1 is the highest bits' sum and the carry into it. A carry is generated where both bits are 1 and
propagated where they differ; neighbours merge in pairs (Goldreich, Micali, Wigderson 1987 for the products).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gatewright.secure.correlated.carry import Carry
from gatewright.secure.correlated.choose import Choose
from gatewright.secure.correlated.correlation import Correlation, Fields
from gatewright.secure.correlated.cross import Cross
from gatewright.secure.correlated.merge import Merge
from gatewright.secure.role import Role
from gatewright.secure.side import Side
from gatewright.secure.step import Exchange
from gatewright.secure.widen import Widening
from gatewright.secure.words import (
    Planes,
    Words,
    from_plane,
    pack,
    packed_size,
    reduced,
    to_planes,
    unpack,
)


@dataclass(frozen=True)
class Rectifier:
    """`max(x, 0)` of `count` elements per query.

    Attributes:
        count: elements per query.
        compare: bits that hold x as a signed number; higher bits of the ring are not compared.
        bits: ring of the result.
        word: bits of a word.
        widen: whether the ring may grow from compare + 1 bits to `bits`.
    """

    count: int
    compare: int
    bits: int
    word: int
    widen: bool

    @property
    def widens(self) -> bool:
        """Whether the ring grows."""
        return self.widen and self.bits > self.compare + 1

    @property
    def source(self) -> int:
        """Ring bits of the input."""
        return self.compare + 1 if self.widens else max(self.compare, self.bits)

    @property
    def plane(self) -> int:
        """Bytes of one bit of every element."""
        return -(-self.count // 8)

    def merges(self) -> list[int]:
        """Pairs of neighbours that merge, level by level."""
        found, left = [], self.compare - 1
        while left > 1:
            found.append(left // 2)
            left -= left // 2
        return found

    def correlations(self, prefix: str) -> dict[str, Correlation]:
        """Randomness by name."""
        found: dict[str, Correlation] = {}
        if self.compare > 1:
            found["and"] = Cross(self.compare - 1, self.count)
        if self.widens:
            found["carry"] = Carry(self.count, self.bits - self.source, self.word)
        found |= {f"merge{n}": Merge(pairs, self.count) for n, pairs in enumerate(self.merges())}
        found["down"] = Choose(self.count, self.bits, self.word, Role.CLIENT)
        found["up"] = Choose(self.count, self.bits, self.word, Role.SERVER)
        return {prefix + name: one for name, one in found.items()}

    def exchanges(self) -> tuple[Exchange, ...]:
        """Bits of the first products and of widening; of every level; then masked values and a bit."""
        planes = [self.compare - 1 + self.widens] * (self.compare > 1 or self.widens)
        planes += [3 * pairs - 1 for pairs in self.merges()]
        sizes = [p * self.plane for p in planes] + [self.plane + packed_size(self.count, self.bits)]
        return tuple(Exchange(s, s) for s in sizes)

    def run(self, side: Side, prefix: str, x: Words) -> Words:
        """[queries, count] shares modulo 2**source to shares modulo 2**bits."""
        planes = to_planes(x, self.compare)
        top, low = planes[:, -1], planes[:, :-1]
        wide, generated = self._first_round(side, prefix, x, low)
        carry = self._tree(side, prefix, generated, low)
        # Shares of "x >= 0": the server turns the sign round.
        keep = top ^ carry if carry is not None else top.copy()
        if side.server:
            keep = ~keep
        return self._select(side, prefix, wide, keep)

    def _first_round(self, side: Side, prefix: str, x: Words, low: Planes) -> tuple[Words, Planes | None]:
        """Products of the two parties' own bits, and the wider ring: [queries, compare - 1, bytes] carries."""
        parts, widening = [], Widening(self.source)
        own_bit: Planes | None = None
        if low.shape[1]:
            parts.append(low ^ side.random(prefix + "and")["r"])
        if self.widens:
            own_bit = widening.masked(side.role, x, side.random(prefix + "carry"))
            parts.append(own_bit[:, None])
        if not parts:
            return x, None
        opened = np.concatenate(parts, axis=1)
        answer = np.frombuffer(side.exchange(opened.tobytes()), np.uint8).reshape(opened.shape)
        generated = None
        if low.shape[1]:
            drawn, theirs = side.random(prefix + "and"), answer[:, : low.shape[1]]
            # x0 x1 = (d ^ r0)(e ^ r1) with opened d, e: the server takes e x0, the client d r1.
            generated = (theirs & (low if side.server else drawn["r"])) ^ drawn["t"]
        if own_bit is not None:
            x = widening.finish(side.role, x, side.random(prefix + "carry"), own_bit, answer[:, -1].tobytes())
        return x, generated

    def _tree(self, side: Side, prefix: str, generated: Planes | None, low: Planes) -> Planes | None:
        """Share of the carry out of all lower bits: [queries, bytes]."""
        if generated is None:
            return None
        # A carry enters nowhere below bit 0, so what it propagates is never asked for.
        propagated = low[:, 1:]
        for level, pairs in enumerate(self.merges()):
            drawn = side.random(f"{prefix}merge{level}")
            high_p, low_g = propagated[:, 0 : 2 * pairs : 2], generated[:, 0 : 2 * pairs : 2]
            high_g, low_p = generated[:, 1 : 2 * pairs : 2], propagated[:, 1 : 2 * pairs - 2 : 2]
            carried, both = merged(side, drawn, high_p, low_g, low_p)
            generated = np.concatenate([high_g ^ carried, generated[:, 2 * pairs :]], axis=1)
            propagated = np.concatenate([both, propagated[:, 2 * pairs - 1 :]], axis=1)
        return generated[:, 0]

    def _select(self, side: Side, prefix: str, x: Words, keep: Planes) -> Words:
        """`x * keep`: (x0 + x1)(b0 xor b1) has two products of one party's word and the other's bit."""
        kind = x.dtype.type
        gives = side.random(prefix + ("down" if side.server else "up"))
        takes = side.random(prefix + ("up" if side.server else "down"))
        bit = from_plane(keep, self.count, self.word)
        # b0 xor b1 = b0 + b1 (1 - 2 b0): the other's bit meets this word.
        word = x * (kind(1) - bit - bit)
        opened = keep ^ takes["r"]
        payload = pack(word - gives["a"], self.bits)
        answer = side.exchange(opened.tobytes() + payload)
        theirs = np.frombuffer(answer, np.uint8, opened.size).reshape(opened.shape)
        other = unpack(memoryview(answer)[opened.size :], x.shape, self.bits, self.word)
        # word * bit' with bit' = d xor r: share of the owner of the word, then of the owner of the bit.
        d = from_plane(theirs, self.count, self.word)
        mine = word * d - (kind(1) - d - d) * gives["v"]
        d = from_plane(opened, self.count, self.word)
        r = from_plane(takes["r"], self.count, self.word)
        yours = (kind(1) - d - d) * (r * other + takes["w"])
        return reduced(x * bit + mine + yours, self.bits)


def merged(side: Side, drawn: Fields, high_p: Planes, low_g: Planes, low_p: Planes) -> tuple[Planes, Planes]:
    """Shares of `high_p & low_g`, and of `high_p & low_p` for all pairs but the lowest, in one round."""
    a, b, bb = drawn["a"], drawn["b"], drawn["bb"]
    opened = np.concatenate([high_p ^ a, low_g ^ b, low_p ^ bb], axis=1)
    answer = np.frombuffer(side.exchange(opened.tobytes()), np.uint8).reshape(opened.shape)
    pairs = a.shape[1]
    total = opened ^ answer
    p, g, pp = total[:, :pairs], total[:, pairs : 2 * pairs], total[:, 2 * pairs :]
    first = (p & b) ^ (g & a) ^ drawn["c"]
    second = (p[:, 1:] & bb) ^ (pp & a[:, 1:]) ^ drawn["cc"]
    return (first ^ (p & g), second ^ (p[:, 1:] & pp)) if side.server else (first, second)
