# SPDX-License-Identifier: Apache-2.0
"""The host's side of the packet link: one request at a time, repeated until its answer comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gatewright.errors import DeviceError
from gatewright.shell.packets import DONE, HEADER, REFUSED, Kind, Reason, Receiver, frame

TRIES = 8
"""Times that a request is sent before the device counts as silent."""


class Transport(Protocol):
    """A byte pipe to the device: a serial port, or a simulation of it."""

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self) -> bytes:
        """Bytes that came; nothing when none came in the pipe's own time limit."""


@dataclass(frozen=True)
class Answer:
    """Answer to a request: `a` and `b` of its header, and data."""

    a: int
    b: int
    data: bytes


class Link:
    """Requests to a device; also the register bus of `driver.Registers`.

    Args:
        transport: to the device.
        tries: times that a request is sent.

    Attributes:
        repeated: requests that had to be sent again.
        dropped: answers that came damaged.
    """

    def __init__(self, transport: Transport, tries: int = TRIES) -> None:
        self._transport, self._tries = transport, tries
        self._receiver = Receiver()
        self._number = 0
        self.repeated = 0

    @property
    def dropped(self) -> int:
        """Answers that came damaged."""
        return self._receiver.dropped

    def hello(self) -> None:
        """Begin a session: whatever the device remembers of an earlier one is forgotten."""
        self.request(Kind.HELLO)

    def request(self, kind: Kind, a: int = 0, b: int = 0, data: bytes = b"") -> Answer:
        """Send a request until it is answered.

        The device does a repeated request once only, because it knows its number.

        Raises:
            DeviceError: no answer, or the request was refused.
        """
        self._number = (self._number + 1) % 256
        body = bytes([kind, self._number, a, b]) + data
        for attempt in range(self._tries):
            self.repeated += attempt > 0
            self._transport.write(frame(body))
            answer = self._await(kind)
            if answer is not None:
                return self._judged(kind, answer)
        problem = f"no answer to {kind.name} number {self._number} in {self._tries} tries"
        hint = "check port, baud rate and power, and that the bitstream is loaded"
        raise DeviceError("link", problem, "an answer to every request", hint)

    def _await(self, kind: Kind) -> bytes | None:
        """The answer to the request under way; None when the pipe falls silent."""
        while received := self._transport.read():
            for body in self._receiver.feed(received):
                # Late answers to requests that were repeated have been seen already.
                if body[1] == self._number and body[0] & 0x3F == kind:
                    return body
        return None

    def _judged(self, kind: Kind, body: bytes) -> Answer:
        if body[0] & DONE:
            return Answer(body[2], body[3], body[HEADER:])
        assert body[0] & REFUSED
        known = {r.value: r.name.lower().replace("_", " ") for r in Reason}
        why = known.get(body[2], f"reason {body[2]}")
        raise DeviceError(
            "link", f"{kind.name} was refused: {why}", hint="is this host's description of the build right?"
        )

    def read(self, offset: int) -> int:
        """A word of the registers."""
        return int.from_bytes(self.request(Kind.READ, offset & 0xFF, offset >> 8).data, "little")

    def write(self, offset: int, value: int) -> None:
        """Write a word of the registers."""
        self.request(Kind.WRITE, offset & 0xFF, offset >> 8, value.to_bytes(4, "little"))

    def push(self, data: bytes, last: bool, tag: int = 0) -> int:
        """Send whole beats; returns how many bytes were taken."""
        answer = self.request(Kind.PUSH, int(last), tag, data)
        return answer.a | answer.b << 8

    def load(self, data: bytes) -> int:
        """Send whole words of the load chain; returns how many bytes were taken."""
        answer = self.request(Kind.LOAD, 0, 0, data)
        return answer.a | answer.b << 8

    def pull(self) -> tuple[bytes, bool, int]:
        """Bytes of results that are there, whether they end a sequence, and its tag."""
        answer = self.request(Kind.PULL)
        return answer.data, bool(answer.a & 1), answer.b
