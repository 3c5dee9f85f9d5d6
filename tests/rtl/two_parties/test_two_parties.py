# SPDX-License-Identifier: Apache-2.0
"""Bench of a whole network between two parties with a slow link: inputs, corrections and results at any pace."""

from pathlib import Path

import numpy as np
from rtl.plan_bench import beats, check_streams
from secure_networks import SESSION, case, perceptron

from gatewright.fixed import Ints
from gatewright.graph import Folding
from gatewright.lower.secure.pair import Line
from gatewright.lower.secure.party import Wires
from gatewright.sim.secure import corrections


def sequences(values: Ints, lanes: int, width: int) -> list[list[int]]:
    """[queries, ..] to beats, a sequence per query."""
    return [beats([int(v) for v in row.reshape(-1)], lanes, width) for row in values]


def test_two_parties(tmp_path: Path) -> None:
    """The link holds four words per message and the activation two elements: any dependence would show as deadlock."""
    foldings = {1: Folding(simd=3, pe=2), 5: Folding(simd=2, pe=3)}
    one = case(perceptron(), foldings, 3, wires=Wires(depth=4, flight=2), line=Line(5, 100), taps=False)
    inputs = {}
    for boundary in one.design.client.inputs:
        values = one.x if boundary.prefix == "s0" else corrections(one.program, boundary, one.drawn)
        inputs[boundary.prefix] = sequences(values, boundary.lanes, boundary.width)
    (m0,) = one.design.client.outputs
    # The output's format saturates what the ring has.
    shares = [one.software.shares[role, len(one.program.steps) - 2] for role in (0, 1)]
    expected = (shares[0] + shares[1]).astype(np.uint64)
    session = [
        SESSION.server + SESSION.first.to_bytes(8, "little"),
        SESSION.client + SESSION.first.to_bytes(8, "little"),
    ]
    keys = {k: [int(v) for v in np.frombuffer(s, "<u4")] for k, s in zip(("ks", "kc"), session, strict=True)}
    sources = one.design.write(tmp_path)
    check_streams(
        one.design.name,
        {},
        inputs,
        {"m0": sequences(expected, m0.lanes, m0.width)},
        loads={"w": [int(v) for v in one.design.memory.reshape(-1)], **keys},
        limit=4000,
        sources=[p for p in sources if p.stem in one.design.made],
    )
