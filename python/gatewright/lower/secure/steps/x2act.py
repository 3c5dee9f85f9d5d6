# SPDX-License-Identifier: Apache-2.0
"""Quadratic activation in one round."""

from __future__ import annotations

import numpy as np

from gatewright.fixed import Ints
from gatewright.graph import Folding
from gatewright.lower.secure.party import LOAD, Party
from gatewright.lower.secure.place import Constants, places, present
from gatewright.lower.writer import PARTS, Stream, pins
from gatewright.ops._matrix import chunks
from gatewright.secure.steps.x2act import X2act
from gatewright.secure.words import signed_bits

POWERS = 3, 4, 5, 6
"""Kinds of the server's random words: its shares of q, q**2, and of both for q as a signed number."""


@places(X2act)
def place_x2act(
    party: Party, index: int, step: X2act, source: Stream | None, folding: Folding, constants: Constants
) -> Stream | None:
    """Both parties alike; the randomness comes from the server's generator, or from the dealer."""
    writer, lanes = party.writer, folding.lanes
    x = writer.change_lanes(present(source, index, step), lanes, f"w{index}")
    writer.lines.append(f"  // step {index}: {step.tokens} x {step.channels} from 2**{step.source} to 2**{step.bits}")
    # E is known modulo 2**source only: a smaller ring would not be enough for it.
    ring = max(step.bits, step.source)
    if party.server:
        powers = _powers(party, index, step.count, ring, lanes)
    else:
        note = "the dealer's shares of q, q**2, and of both for signed q"
        powers = party.port(f"c{index}", 4 * lanes, ring, note)
    sent = writer.declare(Stream(f"e{index}", lanes, step.source))
    answer = party.receive(index, step.count, step.source, lanes)
    out = writer.declare(Stream(f"n{index}", lanes, ring))
    square = signed_bits(min(step.square), max(step.square))
    parameters = {
        "Width": step.source,
        "OutWidth": ring,
        "Lanes": lanes,
        "Beats": step.channels // lanes,
        "SquareWidth": square,
        "Server": int(party.server),
        "Flight": max(party.wires.flight, party.held_back(step.source, lanes)),
        "Load": LOAD,
    }
    rows = coefficients(step, constants.get("constant"), square, ring, lanes)
    connections = pins("s", x.name) | pins("q", powers.name) | pins("e", sent.name) | pins("r", answer.name)
    connections |= pins("m", out.name) | party.link(f"n{index}", rows)
    writer.instance("x2act", f"x2act{index}", parameters, connections)
    party.send(sent, index, step.count)
    return party.narrow(out, step.bits, f"d{index}")


def _powers(party: Party, index: int, count: int, ring: int, lanes: int) -> Stream:
    """The server's four shares side by side, q lowest."""
    writer = party.writer
    parts = [party.random(index, kind, count, ring, lanes) for kind in POWERS]
    joined = parts[0]
    for k, part in enumerate(parts[1:], 1):
        wide = writer.declare(Stream(f"j{index}_{k}", (k + 1) * lanes, ring))
        sides = {f"s0_{p}": f"{joined.name}_{p}" for p in PARTS} | {f"s1_{p}": f"{part.name}_{p}" for p in PARTS}
        widths = {"Width0": joined.bits, "Width1": part.bits}
        writer.instance("stream_join", f"join{index}_{k}", widths, sides | pins("m", wide.name))
        joined = wide
    return joined


def coefficients(step: X2act, constant: Ints | None, width: int, ring: int, lanes: int) -> Ints:
    """Rows of the coefficient store: per lane a, B = b - 2 a h, and at the server C = a h**2 - b h + c.

    Args:
        constant: [channels] the server's; None at the client.
        width: bits of a.
        ring: bits of B and C.
    """
    half, count = 1 << (step.source - 2), step.channels
    # Python integers: products exceed 64 bits before they are reduced.
    squares, slopes = (v * count if len(v) == 1 else v for v in (step.square, step.slope))
    bits = []
    for k in range(count):
        a, b = squares[k], slopes[k]
        fields = [(a, width), (b - 2 * a * half, ring)]
        if constant is not None:
            fields.append((a * half * half - b * half + int(constant[k]), ring))
        word, shift = 0, 0
        for value, size in fields:
            word |= value % (1 << size) << shift
            shift += size
        bits.append([word >> i & 1 for i in range(shift)])
    return chunks(np.array(bits, np.int64).reshape(count // lanes, -1), 1)
