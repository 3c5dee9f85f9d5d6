# SPDX-License-Identifier: Apache-2.0
"""The few oblivious transfers that all others grow from, on the curve P-256.

The receiver sends two public keys for every transfer: one of its own, in the place of its choice, and a random point
of the curve of which it knows no secret key. The sender sends its own public key; each message is the key that it
agrees on with the one or the other (Even, Goldreich, Lempel 1985 with Diffie-Hellman keys). Keys and random points
are both uniform, so the sender learns nothing; a receiver that follows the protocol can compute one of the two.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import LinkError
from gatewright.secure.channel import Channel
from gatewright.secure.stream import SEED_BYTES, ciphers

POINT = 33
"""Bytes of a compressed point."""
CURVE_BYTES = 32


def _curve() -> Any:
    ciphers()
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec


def _point(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    found: bytes = key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    return found


def _parse(data: bytes) -> Any:
    ec = _curve()
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
    except ValueError:
        raise LinkError("transfer set-up", "no point of the curve", "33-byte points of P-256") from None


def random_point() -> bytes:
    """A uniform point of P-256 whose discrete logarithm nobody knows: half of all abscissas lie on the curve."""
    ec = _curve()
    while True:
        data = bytes([2 + secrets.randbits(1)]) + secrets.token_bytes(CURVE_BYTES)
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), data)
        except ValueError:
            continue
        return data


def _derived(private: Any, peer: bytes, transcript: bytes) -> bytes:
    """A seed from the agreed secret, bound to which transfer and which of its two keys it is."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    shared = private.exchange(_curve().ECDH(), _parse(peer))
    found: bytes = HKDF(SHA256(), SEED_BYTES, salt=None, info=b"gatewright base transfer" + transcript).derive(shared)
    return found


def send(channel: Channel, count: int) -> list[tuple[bytes, bytes]]:
    """The sender's side of `count` transfers: two seeds each."""
    ec = _curve()
    private = ec.generate_private_key(ec.SECP256R1())
    own = _point(private.public_key())
    channel.send(own)
    points = channel.receive(2 * count * POINT)
    found = []
    for k in range(count):
        pair = [points[(2 * k + j) * POINT : (2 * k + j + 1) * POINT] for j in range(2)]
        found.append(tuple(_derived(private, p, _transcript(k, j, own, p)) for j, p in enumerate(pair)))
    return [(a, b) for a, b in found]


def receive(channel: Channel, choices: npt.NDArray[np.uint8]) -> list[bytes]:
    """The receiver's side: the seed that each choice, 0 or 1, points to."""
    ec = _curve()
    private = [ec.generate_private_key(ec.SECP256R1()) for _ in choices]
    mine = [_point(p.public_key()) for p in private]
    payload = [[p, random_point()] if c == 0 else [random_point(), p] for c, p in zip(choices, mine, strict=True)]
    channel.send(b"".join(p for two in payload for p in two))
    peer = channel.receive(POINT)
    return [
        _derived(p, peer, _transcript(k, int(c), peer, m))
        for k, (p, c, m) in enumerate(zip(private, choices, mine, strict=True))
    ]


def _transcript(transfer: int, which: int, sender: bytes, receiver: bytes) -> bytes:
    return transfer.to_bytes(4, "little") + bytes([which]) + sender + receiver
