# SPDX-License-Identifier: Apache-2.0
"""What the protocols ask of a connection, and one inside a process."""

from __future__ import annotations

import queue
from typing import Protocol

from gatewright.errors import LinkError

PATIENCE = 30.0
"""Seconds after which a party of the same process is taken for dead."""


class Channel(Protocol):
    """Ordered, authenticated, private bytes to the other party and back.

    Both parties may send at the same time: `send` must not wait for the peer to receive.

    Attributes:
        sent, received: bytes of payload so far.
        messages: calls of `send` so far.
    """

    sent: int
    received: int
    messages: int

    def send(self, payload: bytes) -> None:
        """Send one message.

        Raises:
            LinkError: the peer is gone.
        """

    def receive(self, size: int) -> bytes:
        """The next message, which must have exactly `size` bytes.

        Raises:
            LinkError: the peer is gone, late, or has sent anything else.
        """


class MemoryChannel:
    """One end of a connection between two threads; see `pair`."""

    def __init__(
        self, outgoing: queue.SimpleQueue[bytes], incoming: queue.SimpleQueue[bytes], timeout: float = PATIENCE
    ) -> None:
        self._outgoing, self._incoming, self._timeout = outgoing, incoming, timeout
        self.sent = self.received = self.messages = 0

    def send(self, payload: bytes) -> None:
        """Send one message; never waits."""
        self._outgoing.put(bytes(payload))
        self.sent += len(payload)
        self.messages += 1

    def receive(self, size: int) -> bytes:
        """The next message, which must have exactly `size` bytes."""
        try:
            payload = self._incoming.get(timeout=self._timeout)
        except queue.Empty:
            raise LinkError("peer", f"silent for {self._timeout} s", hint="is the other party running?") from None
        if len(payload) != size:
            raise LinkError("message", f"{len(payload)} bytes", f"{size} bytes", "do both run the same program?")
        self.received += size
        return payload


def pair(timeout: float = PATIENCE) -> tuple[MemoryChannel, MemoryChannel]:
    """Two connected ends."""
    there: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    back: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    return MemoryChannel(there, back, timeout), MemoryChannel(back, there, timeout)
