# SPDX-License-Identifier: Apache-2.0
"""Iterations of one piece of hardware: equal widths, equal formats where they are wired."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from frontend.nets import Block, Blocks, noise, seeded
from torch import nn

import gatewright.nn
from gatewright.errors import CalibrationError
from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.frontend.roll import Ring, roll

assert gatewright.nn  # registers the attention

DATA = [noise(64, 3)[:n] for n in (1, 2, 7, 30, 64)]
ENDS: dict[str, dict[str, Any]] = {"first": {"activation_bits": 16}}


CLASSES = {
    "linear": 16,
    "linear_1_requantize": 11,
    "linear_1": 7,
    "linear_2": 7,
    "linear_3": 7,
    "topk_attention": 9,
    "linear_4": 16,
    "add": 16,
    "linear_5_requantize": 11,
    "linear_5": 8,
    "gelu": 12,
    "linear_6": 16,
    "add_1": 16,
}


def imported(config: QuantConfig, model: nn.Module | None = None) -> Imported:
    found = import_model(model or seeded(Blocks), DATA[2][None], DATA, config=config, dynamic={"n": (1, 64)})
    assert found.compare(DATA[:4]).holds
    return found


def rows(found: Imported) -> list[list[Any]]:
    """Per block the nodes in order, with the formats of their results."""
    graph = found.graph
    origin = [f"layer.{i}" for i in range(3)]
    return [[(n, graph.types[n.name].fixed) for n in graph.nodes if f"{n.origin}.".startswith(f"{o}.")] for o in origin]


def test_wired_formats_are_equal_and_free_points_differ() -> None:
    found = imported(QuantConfig(16, operand_bits=10, tie=("layer.*",)))
    free: set[str] = set()
    for nodes in zip(*rows(found), strict=True):
        assert len({type(n.op) for n, _ in nodes}) == 1
        assert len({(f.width, f.signed) for _, f in nodes}) == 1
        if len({f.frac for _, f in nodes}) > 1:
            free.add(nodes[0][0].name)
    # Only values between operators that take binary points as data.
    assert free and free <= {"linear_1", "linear_3", "gelu"}


def test_an_operand_that_is_rounded_is_not_free() -> None:
    """With 16-bit results of the GELU, rounding them for the layer after is hardware."""
    wide = imported(QuantConfig(16, operand_bits=10, tie=("layer.*",)))
    told = imported(QuantConfig(16, operand_bits=10, tie=("layer.*",), overrides={"*:pwl": {"operand_bits": None}}))

    def points(found: Imported) -> int:
        return len({found.graph.types[n].fixed for n in ("gelu", "gelu_1", "gelu_2")})

    assert points(wide) == 1 and points(told) > 1


def test_what_goes_round_has_one_format() -> None:
    found = imported(QuantConfig(tie=("layer.*",), overrides=ENDS | {"*:add": {"activation_bits": 16}}))
    graph = found.graph
    round_trip = ["linear", "add_1", "add_3", "add_5"]
    assert len({graph.types[n].fixed for n in round_trip}) == 1
    loose = imported(QuantConfig(overrides=ENDS | {"*:add": {"activation_bits": 16}})).graph
    assert len({loose.types[n].fixed for n in round_trip}) > 1


def test_what_enters_takes_the_width_of_what_leaves() -> None:
    found = imported(QuantConfig(tie=("layer.*",), overrides={"*:add": {"activation_bits": 13}}))
    assert found.graph.types["linear"].fixed.width == 13


@pytest.mark.parametrize("top", [None, 3])
def test_rolled_up_it_computes_the_same(top: int | None) -> None:
    model = seeded(Blocks, 3, 4, 6, top)
    found = imported(QuantConfig.transformer(tie=("layer.*",)), model)
    rolled = roll(found.graph, Ring("layer"))
    for item in found.encode(DATA):
        assert np.array_equal(rolled.evaluate(item)[0], found.graph.evaluate(item)[0])


def test_classes_of_a_transformer() -> None:
    config = QuantConfig.transformer(operand=11, qkv=7, context=9, hidden=8, gelu=12, tie=("layer.*",))
    types = imported(config, seeded(Blocks, 3, 4, 6, 3)).graph.types
    widths = {n: t.fixed.width for n, t in types.items() if n in CLASSES}
    assert widths == CLASSES


def test_weights_are_as_wide_in_every_iteration() -> None:
    model: Any = seeded(Blocks)
    with torch.no_grad():
        model.layer[1].expand.weight.copy_(model.layer[1].expand.weight.sign())
    tied, loose = (imported(QuantConfig(tie=t), model).graph for t in (("layer.*",), ()))
    found = [[g.node(f"linear_{k}").op.weight_width for k in (3, 7, 11)] for g in (tied, loose)]  # type: ignore[attr-defined]
    assert found[0] == [8, 8, 8] and found[1][1] < 8


def test_signs_are_equal_in_every_iteration() -> None:
    model: Any = seeded(Blocks)
    with torch.no_grad():
        model.layer[1].query.bias.fill_(60)
    tied, loose = (imported(QuantConfig(tie=t), model).graph for t in (("layer.*",), ()))
    assert [[g.types[f"linear_{k}"].fixed.signed for k in (1, 5, 9)] for g in (tied, loose)] == [
        [True, True, True],
        [True, False, True],
    ]


class Sum(nn.Module):
    """Blocks whose results are added up."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList(Block(3, 4) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.layer[0](x)
        return y + self.layer[1](y)


def test_the_input_of_the_model_can_enter() -> None:
    graph = imported(QuantConfig(tie=("layer.*",), overrides={"input": {"activation_bits": 8}}), seeded(Sum)).graph
    assert graph.types["x"].fixed == graph.types["add_1"].fixed == graph.types["add_3"].fixed


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.ModuleList([nn.Linear(3, 3), nn.Sequential(nn.Linear(3, 3), nn.ReLU())])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer[1](self.layer[0](x))


@pytest.mark.parametrize(
    ("config", "model", "text"),
    [
        (
            QuantConfig(tie=("layers.*",)),
            Blocks,
            r"QuantConfig.tie 'layers.\*': no module path matches\n  supported: .*layer.0",
        ),
        (
            QuantConfig(tie=("layer.*",), overrides={"layer.1.*": {"weight_bits": 4}}),
            Blocks,
            r"QuantConfig.tie: weight_bits differ: layer.0.query \(aten.linear.default\) 8, layer.1.query .* 4.*\n"
            r"  supported: equal widths in every iteration",
        ),
        (
            QuantConfig(tie=("layer.*",), overrides={"layer.1.query": {"activation_bits": 9}}),
            Blocks,
            r"activation_bits differ: layer.0.query \(aten.linear.default\) 8, layer.1.query .* 9",
        ),
        (
            QuantConfig(tie=("layer.*",), overrides={"first": {"activation_bits": 9}}),
            Blocks,
            r"activation_bits differ: .*first \(aten.linear.default\) 9",
        ),
        (
            QuantConfig(tie=("layer.*",)),
            Mixed,
            r"QuantConfig.tie, layer.1: nothing corresponds to layer.0 \(aten.linear.default\)\n"
            r"  supported: iterations of one structure",
        ),
    ],
)
def test_iterations_that_differ_are_refused(config: QuantConfig, model: Any, text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        imported(config, seeded(model))


class Rectified(nn.Module):
    """What enters is the result of a ReLU that no layer absorbs: its own format is unsigned."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(3, 4)
        self.layer = nn.ModuleList(Block(4, 5) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.first(x)
        z = torch.relu(y)
        for block in self.layer:
            z = block(z)
        return y + z


def test_a_format_that_follows_from_the_input_is_made_equal() -> None:
    found = imported(QuantConfig(tie=("layer.*",), overrides={"*:relu": {"activation_bits": 8}}), seeded(Rectified))
    graph = found.graph
    assert [n.op.name() for n in graph.nodes][:3] == ["linear", "relu", "requantize"]
    assert not graph.types["relu"].fixed.signed
    assert len({graph.types[n].fixed for n in (graph.nodes[2].name, "add_1", "add_3")}) == 1
    rolled = roll(graph, Ring("layer"))
    for item in found.encode(DATA):
        assert np.array_equal(rolled.evaluate(item)[0], graph.evaluate(item)[0])
