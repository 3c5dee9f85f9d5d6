# SPDX-License-Identifier: Apache-2.0
"""Both datapaths with a link between them: every share and every message is the software parties', bit for bit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from secure_networks import SESSION, Case, case, convolutions, perceptron

from gatewright.errors import NotExpressibleError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Node, TensorType
from gatewright.lower.secure.cycles import blocks, interval
from gatewright.lower.secure.design import lower_party
from gatewright.lower.secure.foldings import choose
from gatewright.lower.secure.pair import Line
from gatewright.lower.secure.party import Wires
from gatewright.ops.add import Add
from gatewright.ops.average_pool import AveragePool
from gatewright.ops.relu import Relu
from gatewright.secure.program import compile_program
from gatewright.secure.role import Role
from gatewright.sim.library import build
from gatewright.sim.secure import differences, simulate

PRODUCTS = {1: Folding(simd=3, pe=2), 3: Folding(lanes=2), 5: Folding(simd=4, pe=3)}
WINDOWS = {
    1: Folding(simd=9, pe=2),
    3: Folding(lanes=2),
    5: Folding(lanes=2),
    7: Folding(lanes=2, simd=4, pe=1),
    9: Folding(lanes=1),
    11: Folding(lanes=4),
    14: Folding(simd=2, pe=1),
}
NARROW = Wires(quarters=1, payload=16, depth=4, flight=2)
"""As little of everything as there may be: what waits for the peer just covers what packers keep back."""


@cache
def cases() -> tuple[dict[str, Case], Path]:
    """Every case, and one library with all of them: the price of compiling is mostly paid once."""
    found = {
        "perceptron": case(perceptron(), PRODUCTS, 5),
        "convolutions": case(convolutions(), WINDOWS, 3, line=Line(7, 0), wires=Wires(cores=3)),
        "stalled": case(perceptron(), {1: Folding(simd=3)}, 4, wires=NARROW, line=Line(3, 128), taps=False, word=32),
    }
    return found, build([c.design for c in found.values()], "-O0")


@pytest.mark.parametrize("name", ["perceptron", "convolutions"])
def test_every_share_and_message(name: str) -> None:
    found, library = cases()
    one = found[name]
    rtl = simulate(one.design, one.program, SESSION, one.x, one.drawn, library=library, index=list(found).index(name))
    assert differences(rtl, one.software) == []
    # Nothing was left out: every step's result at both parties, every message.
    steps = one.program.steps
    both = {(role, k) for k, step in enumerate(steps) for role in Role} - {(Role.SERVER, len(steps) - 1)}
    local = {(Role.SERVER, k) for k, step in enumerate(steps) if not step.inputs or type(step).__name__ == "Input"}
    assert set(rtl.shares) == both - local
    assert set(rtl.messages) == set(one.software.messages)


def test_stalls_and_least_queues() -> None:
    """Words of 32 bits, a slow generator, a link that pauses half of the time, least queues: equal results."""
    found, library = cases()
    one = found["stalled"]
    for idle, stall in ((0.0, 0.0), (0.6, 0.6)):
        rtl = simulate(
            one.design, one.program, SESSION, one.x, one.drawn, idle=idle, stall=stall, library=library, index=2
        )
        assert differences(rtl, one.software) == []


def test_a_wrong_bit_shows() -> None:
    """One bit of one correction: the comparison names the step, and all that depends on it."""
    found, library = cases()
    one = found["perceptron"]
    drawn = [{k: dict(v) for k, v in step.items()} for step in one.drawn]
    drawn[5]["triple"]["C"] = drawn[5]["triple"]["C"].copy()
    drawn[5]["triple"]["C"][2, 0, 1] ^= np.uint64(1)
    wrong = differences(simulate(one.design, one.program, SESSION, one.x, drawn, library=library), one.software)
    assert any(w.startswith("share of step 5 at the client: 1 of 15") for w in wrong)
    assert not any("step 3" in w or "server" in w for w in wrong)


@pytest.mark.parametrize(("name", "foldings"), [("perceptron", PRODUCTS), ("convolutions", WINDOWS)])
def test_cycles_of_a_batch(name: str, foldings: dict[int, Folding]) -> None:
    """Results come at the pace of the slowest block, by the closed formulas."""
    found, library = cases()
    one = found[name]
    rtl = simulate(one.design, one.program, SESSION, one.x, one.drawn, library=library, index=list(found).index(name))
    assert rtl.finished is not None
    predicted = max(interval(one.program, foldings, one.design.server.wires).values())
    # The generator works ahead of the final query, so that one comes a little sooner.
    pace = np.diff(rtl.finished)[:-1].mean()
    assert abs(pace / predicted - 1) < 0.03


def test_foldings_keep_the_pace() -> None:
    program, _ = compile_program(convolutions())
    fast, slow = choose(program, 1), choose(program, 400)
    assert max(blocks(program, slow).values()) <= 400
    # Nothing is faster than its elements come in: one a cycle, padding included.
    assert blocks(program, fast)[1] == 11 * 10 and max(blocks(program, fast).values()) == 110
    assert sum(f.simd * f.pe for f in fast.values()) > 3 * sum(f.simd * f.pe for f in slow.values())


def _program(graph: Graph) -> None:
    program, secrets = compile_program(graph)
    lower_party(program, Role.SERVER, {}, secrets.steps)


def test_refusals() -> None:
    x = TensorType(4, 3, Fixed(8, 4))
    twice = Graph({"x": x}, (Node("a", Add((0, 0), 0, Fixed(9, 4)), ("x", "x")),), ("a",))
    with pytest.raises(NotExpressibleError, match="step 1: 2 inputs and 1 readers"):
        _program(twice)
    pool = AveragePool((2,), (2,), (0,), 0, Fixed(8, 4))
    with pytest.raises(NotExpressibleError, match="WindowSum before the first product"):
        _program(Graph({"x": x}, (Node("a", pool, ("x",)),), ("a",)))
    first = perceptron().nodes[0]
    relu = Graph({"x": TensorType(1, 12, Fixed(8, 4))}, (first, Node("r", Relu(), ("n0",))), ("r",))
    with pytest.raises(NotExpressibleError, match="Relu has no datapath"):
        _program(relu)
