# SPDX-License-Identifier: Apache-2.0
"""A transport that damages what passes through it, to see whether a link notices and recovers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from gatewright.shell.link import Transport
from gatewright.shell.packets import END, ESCAPE, frame

Damage = Callable[[random.Random, bytes], bytes]
"""What becomes of a frame."""


def flipped(rng: random.Random, data: bytes) -> bytes:
    """One bit is wrong."""
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def burst(rng: random.Random, data: bytes) -> bytes:
    """Up to eight neighboring bytes are noise."""
    at, size = rng.randrange(len(data)), rng.randint(2, 8)
    return data[:at] + rng.randbytes(size) + data[at + size :]


def dropped(rng: random.Random, data: bytes) -> bytes:
    """One byte is missing."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + 1 :]


def inserted(rng: random.Random, data: bytes) -> bytes:
    """A byte too many."""
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(1) + data[at:]


def truncated(rng: random.Random, data: bytes) -> bytes:
    """The end is missing."""
    return data[: rng.randrange(len(data))]


def lost(rng: random.Random, data: bytes) -> bytes:
    """Nothing arrives."""
    return b""


def doubled(rng: random.Random, data: bytes) -> bytes:
    """It arrives twice."""
    return data + data


def garbage(rng: random.Random, data: bytes) -> bytes:
    """Noise in front of it, delimiters and escapes among it."""
    noise = bytes(rng.choice((END, ESCAPE, rng.randrange(256))) for _ in range(rng.randint(1, 40)))
    return noise + data


def overlong(rng: random.Random, data: bytes) -> bytes:
    """A packet longer than any that is allowed stands in front of it."""
    return frame(rng.randbytes(400)) + data


def short(rng: random.Random, data: bytes) -> bytes:
    """A packet shorter than a header, with a right checksum, stands in front of it."""
    return frame(rng.randbytes(rng.randint(0, 3))) + data


def unknown(rng: random.Random, data: bytes) -> bytes:
    """A sound packet that asks for something that does not exist stands in front of it."""
    return frame(bytes([rng.randint(7, 63), rng.randrange(256), 0, 0])) + data


REQUESTS: dict[str, Damage] = {
    f.__name__: f
    for f in (flipped, burst, dropped, inserted, truncated, lost, doubled, garbage, overlong, short, unknown)
}
"""What may happen to a request on its way."""
ANSWERS: dict[str, Damage] = {
    f.__name__: f for f in (flipped, burst, dropped, inserted, truncated, lost, doubled, garbage)
}
"""What may happen to an answer."""


@dataclass
class FaultyTransport:
    """A transport in front of another one.

    Attributes:
        inner: the sound one.
        rng: of every choice.
        request, answer: damage on each way, if any.
        chance: that a frame is damaged.
        injected: frames damaged so far.
    """

    inner: Transport
    rng: random.Random
    request: Damage | None = None
    answer: Damage | None = None
    chance: float = 0.2
    injected: int = field(default=0, init=False)

    def write(self, data: bytes) -> None:
        """Send bytes, perhaps damaged."""
        self.inner.write(self._through(self.request, data))

    def read(self) -> bytes:
        """Bytes that came, perhaps damaged."""
        data = self.inner.read()
        return self._through(self.answer, data) if data else data

    def _through(self, damage: Damage | None, data: bytes) -> bytes:
        if damage is None or self.rng.random() >= self.chance:
            return data
        self.injected += 1
        return damage(self.rng, data)
