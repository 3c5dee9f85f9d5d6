# SPDX-License-Identifier: Apache-2.0
"""The header of every message: 16 bytes, little-endian.

| bytes | field | checked against |
|---|---|---|
| 4 | magic `GWS1` | itself |
| 1 | version | ours |
| 1 | kind | the kind that the protocol expects now |
| 2 | step of the program | the step that the program is at |
| 4 | sequence number, per direction | the count of messages received: nothing is lost, repeated or swapped |
| 4 | length of the payload | what the program says, before a byte of it is stored |
"""

from __future__ import annotations

import struct
from enum import IntEnum

from gatewright.errors import LinkError

MAGIC = b"GWS1"
VERSION = 1
HEADER = struct.Struct("<4sBBHII")
SIZE = HEADER.size
MOST_MESSAGES = 2**32 - 1
"""Per direction and connection; the sequence number must not come round."""
NEXT = "end this connection; both parties need the same version of gatewright"


class Kind(IntEnum):
    """What a message is for."""

    HELLO = 1
    PROGRAM = 2
    SESSION = 3
    FETCH = 4
    PREPARE = 5
    READY = 6
    DATA = 7
    REFUSAL = 8


def check(header: bytes | bytearray | memoryview, kind: Kind, step: int, sequence: int, place: str) -> tuple[Kind, int]:
    """Kind and length of a header that is the one expected now, or a refusal by the peer.

    Raises:
        LinkError: any field but the length differs. The error repeats small header fields only, never payload.
    """
    magic, version, found, at, number, length = HEADER.unpack(header)
    if magic != MAGIC:
        raise LinkError(place, "what came is not a message of this protocol", f"frames that begin with {MAGIC!r}", NEXT)
    if version != VERSION:
        raise LinkError(place, f"the peer speaks version {version}", f"version {VERSION}", NEXT)
    if number != sequence:
        problem = f"message {number} came where {sequence} was due: it was repeated, lost or moved"
        raise LinkError(place, problem, "every message once and in order", "end this connection and look at the link")
    if found == Kind.REFUSAL:
        return Kind.REFUSAL, length
    if found != kind or at != step:
        problem = f"message of kind {_name(found)} for step {at}"
        raise LinkError(place, problem, f"{kind.name} for step {step}", NEXT)
    return kind, length


def _name(kind: int) -> str:
    return Kind(kind).name if kind in list(Kind) else str(kind)
