# SPDX-License-Identifier: Apache-2.0
"""The first message of both ends: what each wants; a difference ends the call before anything else is said."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from gatewright.errors import LinkError
from gatewright.secure.program import VERSION, Program
from gatewright.secure.transport.frame import NEXT, Kind
from gatewright.secure.transport.link import Link, printable

HELLO_MOST = 1024
PROGRAM_MOST = 16 << 20
"""Bytes of a program's text; shapes and coefficients are far below it."""
ANY = ""


class Offline(Enum):
    """Where correlated randomness comes from."""

    DEALER = "dealer"
    OT = "ot"


def greet(link: Link, offline: Offline, fingerprint: str = ANY) -> str:
    """Exchange versions, the source of randomness and the program's fingerprint.

    Args:
        fingerprint: of the program that this end has or insists on; "" takes the peer's.

    Returns:
        the peer's fingerprint, "" if it has none.

    Raises:
        LinkError: the ends do not fit together; the peer is told.
    """
    link.send_json({"protocol": VERSION, "offline": offline.value, "fingerprint": fingerprint}, Kind.HELLO)
    peer = link.receive_json(HELLO_MOST, Kind.HELLO, "protocol", "offline", "fingerprint")
    for name, ours in (("protocol", VERSION), ("offline", offline.value)):
        if peer[name] != ours:
            raise refused(link, f"{name} is {_shown(peer[name])} at the peer", f"{ours!r}, as here")
    theirs = str(peer["fingerprint"])
    if ANY not in (fingerprint, theirs) and fingerprint != theirs:
        problem = f"the peer's program has the fingerprint {_shown(theirs[:16])}"
        raise refused(link, problem, f"{fingerprint[:16]!r}", "serve and query the same model with the same options")
    return theirs


def send_program(link: Link, program: Program) -> None:
    """The public program, as text."""
    link.send(program.to_json().encode(), Kind.PROGRAM)


def receive_program(link: Link, fingerprint: str) -> Program:
    """The peer's program, which has the fingerprint that the peer said.

    Raises:
        LinkError: it has not.
        RingError: it is no program.
    """
    text = link.receive_most(PROGRAM_MOST, Kind.PROGRAM).decode(errors="replace")
    program = Program.from_json(text)
    if program.fingerprint() != fingerprint:
        raise refused(link, "the program is not the one that was announced", "one fingerprint")
    return program


def refused(
    link: Link, problem: str, allowed: str, hint: str = "start both parties with the same options"
) -> LinkError:
    """An error that the peer hears of, too; the link is closed."""
    error = LinkError(link.place, problem, allowed, hint)
    link.refuse(error)
    return error


def whole(link: Link, data: Mapping[str, Any], name: str, most: int) -> int:
    """A whole number of a peer's structure, 0 to `most`.

    Raises:
        LinkError: it is something else.
    """
    value = data[name]
    if type(value) is not int or not 0 <= value <= most:
        raise refused(link, f"{name} is {_shown(value)}", f"a whole number up to {most:,}", NEXT)
    return value


def _shown(value: Any) -> str:
    return printable(repr(value)[:40])
