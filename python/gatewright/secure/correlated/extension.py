# SPDX-License-Identifier: Apache-2.0
"""Any number of random oblivious transfers from 128 (Ishai, Kilian, Nissim, Petrank, CRYPTO 2003), semi-honest.

The receiver has a matrix T with 128 columns from one seed each, and sends U = T xor T' xor choices, T' from the other
seeds. The sender, who knows one seed per column by its secret s, has rows q = t xor (choice s). Rows are hashed with a
fixed-key cipher: `H(x, i) = P(P(x) xor i) xor P(x)`, tweakable and circular correlation robust (Guo, Katz, Wang, Yu,
S&P 2020, section 7.4). 16 bytes per transfer go from the receiver to the sender.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.secure.channel import Channel
from gatewright.secure.correlated import base_transfer
from gatewright.secure.stream import ciphers, keystream
from gatewright.secure.words import Words, reduced, word_type

SECURITY = 128
ROW = SECURITY // 8
Bytes = npt.NDArray[np.uint8]


def transposed(columns: Bytes) -> Bytes:
    """[128, n / 8] bits by columns to [n, 16] bits by rows; bit 0 first in both."""
    size = columns.shape[1]
    # Eight bytes below each other are a square of 8 x 8 bits, the rows of which are bytes of a 64-bit word.
    squares = np.array(columns.reshape(ROW, 8, size).transpose(2, 0, 1), order="C").view("<u8")[..., 0]
    for shift, keep in ((7, 0x00AA00AA00AA00AA), (14, 0x0000CCCC0000CCCC), (28, 0x00000000F0F0F0F0)):
        swap = (squares ^ (squares >> np.uint64(shift))) & np.uint64(keep)
        squares ^= swap ^ (swap << np.uint64(shift))
    return np.ascontiguousarray(squares.view(np.uint8).reshape(size, ROW, 8).transpose(0, 2, 1)).reshape(-1, ROW)


class Hash:
    """The hash of rows, keyed afresh for every pair of parties.

    Args:
        key: 16 public bytes.
    """

    def __init__(self, key: bytes) -> None:
        kit = ciphers()
        from cryptography.hazmat.primitives.ciphers.algorithms import AES
        from cryptography.hazmat.primitives.ciphers.modes import ECB

        # One permutation, fixed and public; a mode has no part in it.
        self._cipher: Any = kit.Cipher(AES(key), ECB()).encryptor()

    def _permuted(self, blocks: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        found = self._cipher.update(np.ascontiguousarray(blocks).data.cast("B"))
        return np.frombuffer(found, np.uint64).reshape(blocks.shape)

    def __call__(self, rows: Bytes, first: int, size: int) -> Bytes:
        """[n, 16] rows of transfers `first` and up to [n, size] bytes."""
        count, blocks = len(rows), -(-size // ROW)
        hidden = self._permuted(np.ascontiguousarray(rows).view(np.uint64))
        mixed = np.broadcast_to(hidden[:, None, :], (count, blocks, 2)).copy()
        mixed[..., 0] ^= (np.arange(count, dtype=np.uint64) + np.uint64(first))[:, None]
        mixed[..., 1] ^= np.arange(blocks, dtype=np.uint64)
        found = self._permuted(mixed) ^ hidden[:, None, :]
        return found.view(np.uint8).reshape(count, -1)[:, :size]


def _as_words(raw: Bytes, length: int, bits: int, word: int) -> Words:
    kind = np.dtype("<u4") if bits <= 32 else np.dtype("<u8")
    found = np.ascontiguousarray(raw).view(kind).reshape(len(raw), length)
    return reduced(found, bits).astype(word_type(word), copy=False)


def _pad_bytes(length: int, bits: int) -> int:
    return length * (4 if bits <= 32 else 8)


@dataclass(frozen=True, eq=False)
class Offered:
    """The sender's end of some random transfers: two pads each."""

    hash: Hash
    rows: Bytes
    secret: Bytes
    first: int

    def pads(self, which: slice, size: int) -> tuple[Bytes, Bytes]:
        """Both pads of the transfers `which`: [n, size] bytes each."""
        rows, first = self.rows[which], self.first + (which.start or 0)
        return self.hash(rows, first, size), self.hash(rows ^ self.secret, first, size)

    def words(self, which: slice, length: int, bits: int, word: int) -> tuple[Words, Words]:
        """Both pads as [n, length] words modulo 2**bits."""
        one, other = self.pads(which, _pad_bytes(length, bits))
        return _as_words(one, length, bits, word), _as_words(other, length, bits, word)


@dataclass(frozen=True, eq=False)
class Taken:
    """The receiver's end of some random transfers: the pad of its choice."""

    hash: Hash
    rows: Bytes
    first: int

    def pads(self, which: slice, size: int) -> Bytes:
        """The chosen pads of the transfers `which`: [n, size] bytes."""
        return self.hash(self.rows[which], self.first + (which.start or 0), size)

    def words(self, which: slice, length: int, bits: int, word: int) -> Words:
        """The chosen pads as [n, length] words modulo 2**bits."""
        return _as_words(self.pads(which, _pad_bytes(length, bits)), length, bits, word)


class Sender:
    """Offers two random pads per transfer.

    Args:
        channel: to the receiver, who makes a `Receiver` at the same time.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._secret = np.frombuffer(secrets.token_bytes(ROW), np.uint8)
        self._choices = np.unpackbits(self._secret, bitorder="little")
        key = secrets.token_bytes(ROW)
        channel.send(key)
        self._seeds = base_transfer.receive(channel, self._choices)
        self._hash = Hash(key)
        self._done = self._batch = 0

    def offer(self, count: int) -> Offered:
        """`count` transfers."""
        size = -(-count // 8)
        masked = np.frombuffer(self._channel.receive(SECURITY * size), np.uint8).reshape(SECURITY, size)
        own = _expanded(self._seeds, self._batch, size)
        rows = transposed(own ^ (masked & -self._choices[:, None]))[:count]
        found = Offered(self._hash, rows, self._secret, self._done)
        self._done, self._batch = self._done + count, self._batch + 1
        return found


class Receiver:
    """Takes one of two random pads per transfer.

    Args:
        channel: to the sender, who makes a `Sender` at the same time.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._hash = Hash(channel.receive(ROW))
        seeds = base_transfer.send(channel, SECURITY)
        self._zero, self._one = [a for a, _ in seeds], [b for _, b in seeds]
        self._done = self._batch = 0

    def take(self, choices: Bytes) -> Taken:
        """As many transfers as there are choices, 0 or 1."""
        size = -(-len(choices) // 8)
        zero, one = _expanded(self._zero, self._batch, size), _expanded(self._one, self._batch, size)
        packed = np.packbits(choices, bitorder="little")
        self._channel.send((zero ^ one ^ packed).tobytes())
        found = Taken(self._hash, transposed(zero)[: len(choices)], self._done)
        self._done, self._batch = self._done + len(choices), self._batch + 1
        return found


def _expanded(seeds: list[bytes], batch: int, size: int) -> Bytes:
    return np.frombuffer(b"".join(keystream(s, 0, batch, size) for s in seeds), np.uint8).reshape(-1, size)
