# SPDX-License-Identifier: Apache-2.0
"""Programs as the scheduler's blocks: bytes and rounds are the program's, cycles fit by hand, schedules are sound."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress.polynomial import replace
from gatewright.errors import DataError
from gatewright.frontend import QuantConfig, import_model
from gatewright.graph import Folding
from gatewright.lower.secure.cycles import product_cycles, values_cycles
from gatewright.scheduler.secure import Block, Machine, Stage, latency, schedule, serial
from gatewright.scheduler.sites import Link
from gatewright.secure.latency import Datapath, blocks, needs
from gatewright.secure.program import Program, compile_program
from gatewright.secure.steps.product import Product
from gatewright.secure.steps.x2act import X2act

MACHINE = Machine(1e6, Link(1e6, 1e-3))


@cache
def program(polynomial: bool) -> Program:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 8), nn.ReLU(), nn.Linear(8, 3)
    ).eval()
    x = np.random.default_rng(0).random((64, 1, 8, 8), np.float32)
    chosen = replace(model, x, start="dapa", pools=True) if polynomial else model
    return compile_program(import_model(chosen, x, x, config=QuantConfig(10, 8, method="range")).graph)[0]


@pytest.mark.parametrize("polynomial", [True, False])
def test_bytes_and_rounds_are_the_programs(polynomial: bool) -> None:
    made = program(polynomial)
    found = blocks(made)
    assert [b.rounds for b in found] == [len(s.exchanges()) for s in made.steps]
    assert (sum(b.rounds for b in found), sum(b.up for b in found), sum(b.down for b in found)) == (
        made.rounds, made.up, made.down,
    )  # fmt: skip
    many = blocks(made, batch=5)
    assert [(b.rounds, b.up, b.cycles("server")) for b in many] == [
        (b.rounds, 5 * b.up, 5 * b.cycles("server")) for b in found
    ]
    # A delay per round is in both; a batch shares it.
    assert serial(many, MACHINE) < 5 * serial(found, MACHINE) - 4 * (made.rounds - 1) * 1e-3


def test_cycles_by_hand() -> None:
    found = {b.name: b for b in blocks(program(True), Datapath(lanes=4, products=9))}
    conv = found["1.product"]
    # 64 pixels are masked; 36 positions of 9 products and 4 channels, that of the client's mask ahead.
    assert conv.stages[0] == Stage(client=16, client_ahead=16, up=conv.up)
    assert conv.stages[1] == Stage(server=144, server_ahead=36, client_ahead=144 + 36)
    act = next(b for b in found.values() if b.kind == "x2act")
    assert act.stages == (Stage(36, 36, act.up, act.down, 36, 36), Stage(36, 36)) and act.up == act.down > 0
    pool = next(b for b in found.values() if b.kind == "windowsum")
    assert pool.stages == (Stage(36, 36),)
    assert found["0.input"].cycles("client") == 0


def test_polynomials_are_cheaper_where_there_is_a_dealer() -> None:
    cheap, dear = blocks(program(True)), blocks(program(False))
    (first, *_), (relu, *_) = ([b for b in found if b.kind == k] for found, k in ((cheap, "x2act"), (dear, "relu")))
    assert first.rounds == 1 < relu.rounds and latency(first, MACHINE) < latency(relu, MACHINE)
    assert serial(cheap, MACHINE) < serial(dear, MACHINE)


def test_how_much_input_an_output_needs() -> None:
    shares = {b.name: b.needs for b in blocks(program(True))}
    # The first 3 x 3 patch of an 8 x 8 image ends at pixel 18; the first 2 x 2 window of 6 x 6 at token 7.
    assert shares["1.product"] == 19 / 64
    steps = program(True).steps
    assert [needs(s) for s in steps if type(s).__name__ == "WindowSum"] == [8 / 36]
    assert [b.needs for b in blocks(program(True)) if b.kind == "product"] == [19 / 64, 1.0, 1.0]
    assert {b.needs for b in blocks(program(True)) if b.kind in ("x2act", "truncate", "reveal")} == {0.0}


@pytest.mark.parametrize("polynomial", [True, False])
def test_schedules(polynomial: bool) -> None:
    found = blocks(program(polynomial))
    alone = schedule(found, MACHINE).seconds
    assert alone <= serial(found, MACHINE)
    assert schedule(found, MACHINE, pieces=4).seconds < alone
    many = schedule(found, MACHINE, 8)
    assert many.bound <= many.seconds < 4 * alone


def test_refusals() -> None:
    with pytest.raises(DataError, match="0.input: 2 stages of cycles\n  supported: 1, one more than rounds"):
        blocks(program(True), lambda step: (Stage(), Stage()))
    with pytest.raises(DataError, match="batch: 0"):
        blocks(program(True), batch=0)
    with pytest.raises(DataError, match="lanes=0"):
        Datapath(0)
    assert all(isinstance(b, Block) for b in blocks(program(True), lambda s: (Stage(),) * (len(s.exchanges()) + 1)))


def test_the_datapath_counts_as_the_rtl_is_planned() -> None:
    """Where a matrix unit is not starved, its cycles are those of the closed form for the generated hardware."""
    for step in (s for s in program(True).steps if isinstance(s, Product)):
        g = step.geometry
        folding = Folding(lanes=g.inputs, simd=g.depth, pe=1)
        work = Datapath(lanes=g.inputs, products=g.depth)(step)[1].server
        planned = product_cycles(g, folding)
        assert work == g.positions * g.outputs
        # A window adds the beats that complete no position.
        assert planned == max(work, g.tokens) if g.window is None else planned >= work
    for step in (s for s in program(True).steps if isinstance(s, X2act)):
        assert Datapath(lanes=2)(step)[1].server == values_cycles(step.count, 2)
