# SPDX-License-Identifier: Apache-2.0
"""Correlated randomness without a third party: oblivious transfers between server and client."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from gatewright.secure.channel import Channel
from gatewright.secure.correlated.correlation import Fields
from gatewright.secure.correlated.extension import Offered, Receiver, Sender, Taken
from gatewright.secure.correlated.material import drawn_from, per_model, to_stored
from gatewright.secure.program import Program
from gatewright.secure.role import Role
from gatewright.secure.words import Planes, Words, dense_size, pack_dense, reduced, unpack_dense

Bytes = npt.NDArray[np.uint8]


class Transfers:
    """Random transfers in both directions between two parties; making it takes 256 transfers on a curve.

    Args:
        role: which party this is.
        channel: to the other one, who makes its own at the same time.
    """

    def __init__(self, role: Role, channel: Channel) -> None:
        self.role, self.channel = role, channel
        if role is Role.SERVER:
            self._sender, self._receiver = Sender(channel), Receiver(channel)
        else:
            self._receiver, self._sender = Receiver(channel), Sender(channel)

    def offer(self, count: int) -> Offered:
        """This party is the sender of `count` transfers."""
        return self._sender.offer(count)

    def take(self, choices: Bytes) -> Taken:
        """This party is the receiver, with these choices."""
        return self._receiver.take(choices)

    @staticmethod
    def random_bits(count: int) -> Bytes:
        """Fresh choices, 0 or 1."""
        return np.unpackbits(np.frombuffer(secrets.token_bytes(-(-count // 8)), np.uint8))[:count]

    def offered_bits(self, shape: tuple[int, ...], each: int) -> tuple[list[Planes], list[Planes]]:
        """Both offers of `each` bits, for every bit of packed planes of a shape."""
        count = int(np.prod(shape)) * 8
        one, other = self.offer(count).pads(slice(0, count), 1)
        return _bit_planes(one, shape, each), _bit_planes(other, shape, each)

    def taken_bits(self, shape: tuple[int, ...], each: int) -> tuple[Planes, list[Planes]]:
        """Random choices and what they took, as planes."""
        count = int(np.prod(shape)) * 8
        choices = self.random_bits(count)
        taken = self.take(choices).pads(slice(0, count), 1)
        return _bit_planes(choices[:, None], shape, 1)[0], _bit_planes(taken, shape, each)

    def serve(self, values: Words, bits: int) -> Words:
        """The server's side of products: shares modulo 2**bits of the client's n numbers times these [n, length] words.

        Bit i of a number contributes 2**i times a word, of which bits - i bits matter (Gilboa, CRYPTO 1999).
        """
        count, length = values.shape
        kind, word = values.dtype.type, values.dtype.itemsize * 8
        offered = self.offer(count * bits)
        total = np.zeros_like(values)
        for i in range(bits):
            first, second = offered.words(slice(i * count, (i + 1) * count), length, bits - i, word)
            self.channel.send(pack_dense(first - second + values, bits - i))
            total -= first << kind(i)
        return reduced(total, bits)

    def choose(self, values: Words, length: int, bits: int) -> Words:
        """The client's side: its [n] numbers times the server's rows of `length` words; see `serve`."""
        count = len(values)
        kind, word = values.dtype.type, values.dtype.itemsize * 8
        choices = np.concatenate([(values >> kind(i)) & kind(1) for i in range(bits)]).astype(np.uint8)
        taken = self.take(choices)
        total = np.zeros((count, length), values.dtype)
        for i in range(bits):
            rows = slice(i * count, (i + 1) * count)
            payload = self.channel.receive(dense_size(count * length, bits - i))
            correction = unpack_dense(payload, count * length, bits - i, word).reshape(count, length)
            chosen = taken.words(rows, length, bits - i, word)
            total += (chosen + correction * choices[rows, None].astype(values.dtype)) << kind(i)
        return reduced(total, bits)


def _bit_planes(raw: Bytes, shape: tuple[int, ...], each: int) -> list[Planes]:
    """Bit k of the first byte of each row, for k < each, as packed planes."""
    first = raw[:, 0]
    return [np.packbits((first >> np.uint8(k)) & np.uint8(1), bitorder="little").reshape(shape) for k in range(each)]


def generate(
    program: Program,
    transfers: Transfers,
    seed: bytes,
    queries: range,
    progress: Callable[[int], None] | None = None,
) -> bytes:
    """One party's side of making randomness for consecutive queries; for `Material(.., dealer=False).add`.

    Args:
        program: the same at both parties.
        transfers: of this party.
        seed: this party's secret, the same as its `Material`'s.
        queries: the same at both parties.
        progress: called with every step that is done.

    Returns:
        The stored bytes of these queries.
    """
    role = transfers.role
    fixed = per_model(program, role, seed)
    own = drawn_from(program, role, False, seed, queries, None)
    found: dict[tuple[int, str], Fields] = {}
    for index, step in enumerate(program.steps):
        for name, correlation in step.correlations().items():
            if (index, name) in fixed:
                correlation.fix(fixed[index, name])
            found[index, name] = correlation.transfer(role, transfers, own[index][name], len(queries))
        if progress is not None:
            progress(index + 1)
    return to_stored(program, role, False, found, len(queries)).tobytes()
