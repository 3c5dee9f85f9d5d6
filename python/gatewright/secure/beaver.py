# SPDX-License-Identifier: Apache-2.0
"""Products of values that both parties hold in shares: one round (Beaver, CRYPTO 1991).

For models that are shared themselves, as when they are outsourced. Networks whose weights the server knows take the
one-sided product of `steps/product.py`, which sends less.
"""

from __future__ import annotations

from gatewright.secure.channel import Channel
from gatewright.secure.correlated.correlation import Fields
from gatewright.secure.correlated.triple import matrix_products
from gatewright.secure.role import Role
from gatewright.secure.words import Words, pack, packed_size, reduced, unpack


def multiply(role: Role, channel: Channel, x: Words, y: Words, triple: Fields, bits: int) -> Words:
    """This party's share of `x y`, element by element, modulo 2**bits.

    With E = x - a and F = y - b opened, x y = c + E b + a F + E F.

    Args:
        x, y: shares [n, count].
        triple: arrays of `Triple(count, bits, ..)` for n queries.
    """
    e, f = _opened(channel, (x - triple["a"], y - triple["b"]), bits)
    z = triple["c"] + e * triple["b"] + triple["a"] * f
    return reduced(z + e * f if role is Role.SERVER else z, bits)


def multiply_matrices(role: Role, channel: Channel, x: Words, y: Words, triple: Fields, bits: int) -> Words:
    """This party's share of the matrix products `x y` modulo 2**bits.

    Args:
        x, y: shares [n, rows, depth] and [n, depth, columns].
        triple: arrays of `MatrixTriple(rows, depth, columns, bits, ..)` for n queries.
    """
    e, f = _opened(channel, (x - triple["a"], y - triple["b"]), bits)
    z = triple["c"] + matrix_products(triple["a"], f, bits)
    right = triple["b"] + f if role is Role.SERVER else triple["b"]
    return reduced(z + matrix_products(e, right, bits), bits)


def _opened(channel: Channel, shares: tuple[Words, Words], bits: int) -> tuple[Words, Words]:
    """Both values in clear: each party sends its shares in one message."""
    channel.send(b"".join(pack(s, bits) for s in shares))
    sizes = [packed_size(s.size, bits) for s in shares]
    answer = memoryview(channel.receive(sum(sizes)))
    word = shares[0].dtype.itemsize * 8
    parts = (answer[: sizes[0]], answer[sizes[0] :])
    first, second = (reduced(s + unpack(p, s.shape, bits, word), bits) for s, p in zip(shares, parts, strict=True))
    return first, second
