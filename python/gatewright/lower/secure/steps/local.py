# SPDX-License-Identifier: Apache-2.0
"""Steps without messages: every party works on its own share."""

from __future__ import annotations

from gatewright.errors import NotExpressibleError
from gatewright.graph import Folding
from gatewright.lower.secure.party import Party
from gatewright.lower.secure.place import Constants, places, present
from gatewright.lower.writer import Stream, pins
from gatewright.secure.steps.average_pool import WindowSum
from gatewright.secure.steps.reshape import Reshape
from gatewright.secure.steps.shift_left import ShiftLeft
from gatewright.secure.steps.truncate import Truncate


@places(Truncate)
def place_truncate(
    party: Party, index: int, step: Truncate, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """Wiring, and an increment at the server."""
    return _shift(party, index, present(source, index, step), step.shift, step.bits)


@places(ShiftLeft)
def place_shift_left(
    party: Party, index: int, step: ShiftLeft, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """Wiring."""
    if source is None:
        return None
    whole = party.widen(source, step.bits, False, f"wide{index}")
    return _shift(party, index, whole, -step.left, step.bits)


def _shift(party: Party, index: int, source: Stream, shift: int, bits: int) -> Stream:
    out = party.writer.declare(Stream(f"n{index}", source.lanes, bits))
    parameters = {"InWidth": source.width, "Lanes": source.lanes, "Shift": shift, "Server": int(party.server)}
    party.writer.instance("share_truncate", f"shift{index}", parameters, pins("s", source.name) | pins("m", out.name))
    return out


@places(Reshape)
def place_reshape(
    party: Party, index: int, step: Reshape, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """Elements come in the same order."""
    return source


@places(WindowSum)
def place_window_sum(
    party: Party, index: int, step: WindowSum, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """Windows of shares, as of any other elements."""
    stream, window = present(source, index, step), step.geometry.window
    if window is None or window.circular or window.dilation != (1, 1):
        raise NotExpressibleError(
            f"step {index}", f"sums over {window}", "windows without dilation or circular padding"
        )
    stream = party.writer.change_lanes(stream, folding.lanes, f"w{index}")
    out = party.writer.declare(Stream(f"n{index}", folding.lanes, step.bits))
    shape = {k: v for k, v in window.parameters().items() if not k.startswith("Dilation")}
    if not window.width:
        # A sequence whose length is fixed after all: its tokens are one row.
        shape |= {"Height": 1, "Width": 0}
    parameters = shape | {
        "Lanes": folding.lanes,
        "Chunks": step.channels // folding.lanes,
        "RingWidth": step.bits,
        "Reciprocal": step.factor,
    }
    party.writer.instance("share_pool", f"pool{index}", parameters, pins("s", stream.name) | pins("m", out.name))
    return out
