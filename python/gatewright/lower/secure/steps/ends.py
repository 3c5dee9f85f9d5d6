# SPDX-License-Identifier: Apache-2.0
"""Where a query enters at the client, and where its result leaves."""

from __future__ import annotations

from gatewright.graph import Folding
from gatewright.lower.secure.party import Boundary, Party
from gatewright.lower.secure.place import Constants, places, present
from gatewright.lower.writer import Stream
from gatewright.secure.steps.input import Input
from gatewright.secure.steps.reveal import Reveal


@places(Input)
def place_input(
    party: Party, index: int, step: Input, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """The client's share is the value; the server's is zero."""
    if party.server:
        return None
    return party.port("s0", folding.lanes, step.bits, f"the query: {step.tokens} x {step.channels}")


@places(Reveal)
def place_reveal(
    party: Party, index: int, step: Reveal, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """The server sends its share; the client adds its own, which waits for it."""
    own = present(source, index, step)
    if party.server:
        party.send(own, index, step.count)
        return None
    writer = party.writer
    theirs = party.receive(index, step.count, step.bits, own.lanes)
    out = writer.declare(Stream(f"n{index}", own.lanes, step.bits))
    party.add(party.waiting(own, f"own{index}"), theirs, out, f"reveal{index}")
    party.outputs.append(Boundary("m0", out.lanes, out.width, f"the result: {step.tokens} x {step.channels}"))
    writer.forward("m0", out.name)
    return out
