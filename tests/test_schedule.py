# SPDX-License-Identifier: Apache-2.0
"""From graph to plan: objectives, lengths, loops, boards that are too small, and how a plan is shown."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import gatewright as gw
from gatewright import boards
from gatewright.cli import cli
from gatewright.console import rendered
from gatewright.errors import BudgetError, GatewrightError
from gatewright.fixed import Fixed
from gatewright.graph import Folding, Graph, Length, Node, Stage, TensorType
from gatewright.lower.rtl import lower
from gatewright.lower.timing import cycles
from gatewright.ops.linear import Linear
from gatewright.ops.loop import Loop
from gatewright.ops.pwl import Kind, Pwl
from gatewright.ops.top_k_attention import TopKAttention
from gatewright.schedule import all_nodes, bottleneck, evaluate, model, plan, table
from gatewright.schedule.model import response
from gatewright.scheduler.lengths import Lengths
from gatewright.scheduler.measure import rate
from gatewright.scheduler.methods import solve
from gatewright.scheduler.objectives import Resources
from gatewright.scheduler.validate_plan import check_plan
from gatewright.sim.fuzz import random_job

FORM = Fixed(8, 4)
U200 = boards.load("u200")


def linear(ins: int, outs: int, seed: int) -> Linear:
    weight = np.random.default_rng(seed).integers(-8, 8, (outs, ins))
    return Linear(weight, np.zeros(outs, np.int64), np.full(outs, 5), 4, FORM)


def encoder(most: int = 64) -> Graph:
    """Attention between matrices: quadratic in the length for long sequences, linear for short ones."""
    x = TensorType(Length("n", most), 16, FORM)
    nodes = (
        *(Node(name, linear(16, 16, i), ("x",)) for i, name in enumerate("qkv")),
        Node("attention", TopKAttention.of([x] * 3, FORM, heads=2, top=4, bits=1), ("q", "k", "v")),
        Node("up", linear(16, 48, 3), ("attention",)),
        Node("gelu", Pwl.of(Kind.GELU, FORM, FORM), ("up",)),
        Node("down", linear(48, 16, 4), ("gelu",)),
    )
    return Graph({"x": x}, nodes, ("down",), "encoder")


def looped() -> Graph:
    rng = np.random.default_rng(1)
    loop = Loop.sample(rng, TensorType(Length("n", 20), 6, FORM))
    assert loop is not None
    nodes = (Node("before", linear(6, 6, 0), ("x",)), Node("ring", loop, ("before",)))
    return Graph({"x": TensorType(Length("n", 20), 6, FORM)}, nodes, ("ring",), "looped")


@pytest.mark.parametrize("make", [encoder, looped])
@pytest.mark.parametrize("method", ["fast", "exact", "stages"])
def test_plans_are_valid(make: object, method: str) -> None:
    graph = make()  # type: ignore[operator]
    lengths = Lengths.of([3, 9, 9, 20])
    problem = model(graph, U200, lengths)
    for objective in ("rate", "latency", Resources(2000)):
        found = plan(graph, U200, objective, lengths, method)
        check_plan(problem, found)
        lower(graph, {k: c.key for k, c in found.chosen.items()})


def test_cycles_are_those_of_the_bottleneck() -> None:
    graph = looped()
    found = plan(graph, U200, Resources(500))
    foldings = {k: c.key for k, c in found.chosen.items()}
    assert found.cycles == bottleneck(graph, foldings, 20) <= 500
    again = evaluate(graph, foldings, U200)
    assert (again.cycles, again.latency, again.total) == (found.cycles, found.latency, found.total)


def test_lengths_change_the_plan() -> None:
    """For short sequences attention is linear and the matrices are the bottleneck; for long ones it is attention."""
    graph, target = encoder(), Resources(900)
    short, long = (plan(graph, U200, target, Lengths.of([n])) for n in (8, 60))
    assert short.total["lut"] < long.total["lut"]
    mixed = Lengths.of([8] * 9 + [60])
    found = plan(graph, U200, target, mixed)
    assert short.total["lut"] <= found.total["lut"] < long.total["lut"]
    assert rate(model(graph, U200, mixed), found.chosen) <= 900


def test_a_given_folding_is_kept() -> None:
    graph = encoder()
    given = {"up": Folding(simd=2, pe=3)}
    found = plan(graph, U200, "rate", given=given)
    assert found.chosen["up"].key == given["up"] and found.cycles >= 8 * 16 * 64


@pytest.mark.parametrize("objective", ["rate", "latency", Resources(3000)])
@pytest.mark.parametrize("make", [encoder, looped])
def test_latency_is_close_to_the_cycle_model(make: object, objective: object) -> None:
    graph = make()  # type: ignore[operator]
    found = plan(graph, U200, objective)  # type: ignore[arg-type]
    foldings = {k: c.key for k, c in found.chosen.items()}
    longest = {"encoder": 64, "looped": 20}[graph.name]
    predicted = cycles(graph, foldings, lower(graph, foldings), [(longest,)]).cycles
    print(f"{graph.name}, {objective}: {found.latency:.0f}, token by token {predicted}")
    assert abs(found.latency / predicted - 1) < 0.25


def test_ports_are_those_of_the_hardware() -> None:
    """What the scheduler believes of widths is what is built, for every operator that fuzzing draws."""
    seen = set()
    for seed in range(120):
        job = random_job(seed)
        for name, (graph, node) in all_nodes(job.graph):
            types = graph.input_types(node)
            if isinstance(node.op, Loop):
                continue
            made = node.op.rtl(job.foldings[name], *types)
            ports = node.op.ports(job.foldings[name], *types)
            assert ports == ((0, 0) if made is None else (min(made.in_lanes), made.out_lanes)), node.op.describe()
            assert made is None or not any(lanes % ports[0] for lanes in made.in_lanes)
            seen.add(type(node.op))
    assert len(seen) >= 12


def test_widths_that_do_not_divide_are_slow() -> None:
    """A matrix of 16 outputs at a time in front of a table of 6 at a time: two elements per cycle between them."""
    graph = encoder()
    lanes = {"up": Folding(simd=16, pe=16), "gelu": Folding(lanes=6)}
    foldings = {name: Folding(simd=16, pe=16) for name in ("q", "k", "v")} | lanes
    foldings |= {"attention": [*graph.node("attention").op.foldings(*[graph.inputs["x"]] * 3)][-1]}
    foldings |= {"down": Folding(simd=48, pe=16)}
    alone = evaluate(graph, foldings, U200)
    assert alone.cycles == 64 * 48 / 2 > max(alone.loads.values())
    model_cycles = cycles(graph, foldings, lower(graph, foldings), [(64,)] * 12).period
    assert abs(model_cycles / alone.cycles - 1) < 0.02
    # The scheduler chooses widths that go together.
    for method in ("exact", "fast", "stages"):
        found = plan(graph, U200, Resources(700), method=method)
        assert found.cycles <= 700


def test_response_of_stages() -> None:
    """A running mean over four tokens: one stage per token, then one that needs all."""
    stages = [Stage(np.arange(4), 10, 3), Stage(np.array([3]), 1, 7)]
    assert response(stages, 4) == (1.0, 10.0, 30.0)
    assert response([Stage(np.arange(5), 6, 2, 6)], 5) == (0.0, 2.0, 24.0)
    assert response([], 5) == (0.0, 0.0, 0.0)


def test_too_small_a_board_names_the_one_that_would_do() -> None:
    x = TensorType(1, 256, FORM)
    graph = Graph({"x": x}, (Node("wide", linear(256, 256, 0), ("x",)),), ("wide",), "wide")
    with pytest.raises(BudgetError) as error:
        plan(graph, boards.load("tang-nano-20k"), Resources(256))
    assert error.value.place == "board tang-nano-20k" and "short" in error.value.problem
    name = error.value.hint.split("would do is ")[1].split(";")[0]
    check_plan(model(graph, boards.load(name)), plan(graph, boards.load(name), Resources(256)))
    smaller = [b for b in map(boards.load, boards.names()) if b.budget.lut < boards.load(name).budget.lut]
    assert smaller
    for board in smaller:
        with pytest.raises(BudgetError):
            plan(graph, board, Resources(256))
    twice = Graph({"x": x}, (*graph.nodes, Node("again", linear(256, 256, 1), ("wide",))), ("again",), "twice")
    with pytest.raises(BudgetError, match="no board of"):
        plan(twice, boards.load("tang-nano-20k"), Resources(4))


def test_memory_bandwidth_is_a_resource() -> None:
    graph = encoder()
    free, tight = model(graph, U200), model(graph, U200, bandwidth=0.2)
    fast, slow = solve(free), solve(tight)
    check_plan(tight, slow)
    assert slow.total["bandwidth"] <= 0.2 and slow.cycles > fast.cycles
    # 16 bytes per token in, and as many out.
    assert slow.total["bandwidth"] >= 2 * 64 * 16 / slow.cycles


def test_a_plan_is_shown() -> None:
    graph = encoder()
    found = plan(graph, boards.load("pynq-z2"), "latency", method="exact")
    text = rendered(table(found, boards.load("pynq-z2")))
    assert "attention" in text and "of the board" in text and "URAM" not in text
    assert "latency by method exact: optimal" in text
    assert f"{found.latency:,.0f} for one alone" in text


def test_compiled_for_lengths(tmp_path: Path) -> None:
    """Objective, lengths and method reach the design; hand-made foldings have a plan, too."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv1d(3, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    items = [torch.rand(3, n) for n in (5, 32)]
    ready = {"calibration": items, "dynamic": {"n": (1, 32)}, "method": "exact", "name": "lengths"}
    one = gw.compile(net.eval(), items[0][None], objective=gw.Resources(60), lengths=[4, 4, 4, 32], **ready)
    worst = gw.compile(net.eval(), items[0][None], objective=gw.Resources(60), **ready)
    assert one.plan.gap == 0 and one.plan.cycles <= 60 < bottleneck(one.graph, one.foldings, 32)
    assert one.plan.value < worst.plan.value and bottleneck(worst.graph, worst.foldings, 32) <= 60
    one.save(tmp_path)
    again = gw.Design.load(tmp_path)
    assert again.lengths == gw.Lengths.of([4, 4, 4, 32])
    assert again.plan.loads == one.plan.loads and again.plan.method == ""
    fixed = gw.compile(net.eval(), items[0][None], foldings=one.foldings, **ready)
    assert fixed.plan.total == one.plan.total
    assert gw.compile(net.eval(), items[0][None], target=60, **ready).foldings == worst.foldings


def test_command(tmp_path: Path) -> None:
    lengths, out = tmp_path / "n.json", tmp_path / "plan.json"
    lengths.write_text("[1, 1]")
    words = ["schedule", "digits_mlp", "--board", "pynq-z2", "--method", "stages", "--pareto"]
    result = CliRunner().invoke(cli, [*words, "--lengths", str(lengths), "--json", str(out)])
    assert result.exit_code == 0, result.output
    assert "Exact method" in result.output and "proven optimum" in result.output and "Rate against" in result.output
    assert set(json.loads(out.read_text())["chosen"]) == {"linear", "linear_1", "linear_2"}
    for bad in (["schedule", "nothing"], [*words, "--lengths", "nowhere"], [*words, "--objective", "speed"]):
        assert isinstance(CliRunner().invoke(cli, bad).exception, GatewrightError)
