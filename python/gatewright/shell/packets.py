# SPDX-License-Identifier: Apache-2.0
"""Packets of the UART link: frames with byte stuffing as in SLIP (RFC 1055) around a body and its CRC-32.

The same as `rtl/shell/packet_receiver.sv` and `packet_sender.sv`; what a request means stands in `link_server.sv`.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from enum import IntEnum

END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE = 0xC0, 0xDB, 0xDC, 0xDD
HEADER, CHECK = 4, 4
"""Bytes of a header, and of a CRC."""
DONE, REFUSED = 0x80, 0x40
"""Added to the kind of a request by its answer."""


class Kind(IntEnum):
    """Requests."""

    HELLO = 1
    READ = 2
    WRITE = 3
    PUSH = 4
    PULL = 5
    LOAD = 6


class Reason(IntEnum):
    """Why a request was refused."""

    UNKNOWN = 1
    NO_REGISTER = 2
    WRONG_SIZE = 3
    RUNNING = 4


def frame(body: bytes) -> bytes:
    """The bytes on the wire for a body."""
    whole = body + zlib.crc32(body).to_bytes(CHECK, "little")
    stuffed = whole.replace(bytes([ESCAPE]), bytes([ESCAPE, ESCAPED_ESCAPE]))
    stuffed = stuffed.replace(bytes([END]), bytes([ESCAPE, ESCAPED_END]))
    return bytes([END]) + stuffed + bytes([END])


class Receiver:
    """Bodies out of a byte stream; frames that are not sound are counted and dropped.

    Attributes:
        dropped: frames with a wrong CRC, escape or length so far.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._open = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every body that ends within `data`."""
        self._open += data
        while END in self._open:
            at = self._open.index(END)
            raw, self._open = bytes(self._open[:at]), self._open[at + 1 :]
            if not raw:
                continue
            body = unstuffed(raw)
            if body is None or len(body) < HEADER + CHECK or not sound(body):
                self.dropped += 1
            else:
                yield body[:-CHECK]


def unstuffed(raw: bytes) -> bytes | None:
    """A frame's bytes without stuffing; None if an escape is wrong."""
    found = bytearray()
    values = iter(raw)
    for value in values:
        if value == ESCAPE:
            escaped = next(values, None)
            if escaped not in (ESCAPED_END, ESCAPED_ESCAPE):
                return None
            value = END if escaped == ESCAPED_END else ESCAPE
        found.append(value)
    return bytes(found)


def sound(body: bytes) -> bool:
    """Whether the last four bytes are the CRC of the others."""
    return zlib.crc32(body[:-CHECK]).to_bytes(CHECK, "little") == body[-CHECK:]
