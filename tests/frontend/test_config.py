# SPDX-License-Identifier: Apache-2.0
"""Widths per operator, of operands and of arguments."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from frontend.nets import Apply, noise, seeded
from torch import nn

from gatewright.errors import CalibrationError
from gatewright.fixed import Fixed
from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.ops.requantize import Requantize


class Residual(nn.Module):
    """x + c(relu(a(x) + b(x))), the sums and the ReLU being calls of the model itself."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 6), nn.Linear(5, 6), nn.Linear(6, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.c(torch.relu(self.a(x) + self.b(x)))


def imported(config: QuantConfig, model: nn.Module | None = None, *shape: int) -> Imported:
    shape = shape or (5,)
    found = import_model(model or seeded(Residual), noise(1, *shape), noise(60, *shape), config=config)
    assert found.compare(1.5 * noise(20, *shape)).holds
    return found


def widths(found: Imported) -> dict[str, int]:
    return {n: t.fixed.width for n, t in found.graph.types.items()}


def test_override_by_operator() -> None:
    found = imported(QuantConfig(overrides={"*:add": {"activation_bits": 12}, "b:linear": {"activation_bits": 5}}))
    # The ReLU, which the first sum alone feeds, takes its width.
    assert widths(found) == {"x": 8, "linear": 8, "linear_1": 5, "add": 12, "linear_2": 8, "add_1": 12}
    assert not found.graph.types["add"].fixed.signed


def test_later_overrides_win() -> None:
    config = {"*:linear": {"activation_bits": 12, "weight_bits": 4}, "a": {"activation_bits": 6}}
    found = imported(QuantConfig(overrides=config))
    assert (widths(found)["linear"], widths(found)["linear_1"]) == (6, 12)
    assert found.graph.node("linear").op.weight_width == 4
    swapped = imported(QuantConfig(overrides=dict(reversed(config.items()))))
    assert widths(swapped)["linear"] == 12


def test_a_move_passes_on_what_is_said_of_its_source() -> None:
    model = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(6, 3)))
    found = imported(QuantConfig(overrides={"input": {"activation_bits": 12}}), model, 2, 3)
    assert found.input_type.fixed.width == 12


def test_override_by_the_name_of_the_hardware() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(5, 4), nn.GELU(), nn.Linear(4, 4), nn.Sigmoid()))
    found = imported(QuantConfig(overrides={"*:pwl": {"activation_bits": 10}, "*:sigmoid": {"method": "range"}}), model)
    assert widths(found) == {"input": 8, "linear": 8, "gelu": 10, "linear_1": 8, "sigmoid": 10}


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (
            "*:adds",
            r"QuantConfig.overrides\['\*:adds'\]: no operator 'adds'\n  supported: .*add, .*linear, .*quadratic",
        ),
        ("fc:add", r"QuantConfig.overrides\['fc:add'\]: no module path matches\n  supported: a, b, c, input"),
    ],
)
def test_overrides_of_nothing_are_refused(key: str, text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        imported(QuantConfig(overrides={key: {"activation_bits": 4}}))


def test_a_known_operator_need_not_occur() -> None:
    assert imported(QuantConfig(overrides={"*:conv2d": {"weight_bits": 4}})).graph


def test_operands_are_rounded_once_for_all_readers() -> None:
    found = imported(QuantConfig(16, operand_bits=7))
    kinds = [n.op.name() for n in found.graph.nodes]
    assert kinds == ["requantize", "linear", "linear", "add", "requantize", "linear", "add"]
    operand = found.graph.nodes[0]
    assert {n.inputs for n in found.graph.nodes if n.origin in ("a", "b") and n is not operand} == {(operand.name,)}
    # The residual stream keeps its width.
    assert found.graph.node("add_1").inputs[0] == "x"
    assert [found.graph.types[n.name].fixed for n in found.graph.nodes if isinstance(n.op, Requantize)] == [
        Fixed(7, 4),
        Fixed(7, found.graph.types["add"].fixed.frac - 9, signed=False),
    ]


def test_the_rounding_of_an_operand_is_part_of_the_tolerance() -> None:
    found = imported(QuantConfig(16, operand_bits=7))
    name = found.raw.nodes[0].name
    seen = found.compare(noise(20, 5))
    error, bound, ratio = seen.layers[name]
    assert 0.4 * 2**-4 < error <= bound and ratio <= 1

    def swapped(op: Any) -> Imported:
        nodes = tuple(dataclasses.replace(n, op=op) if n.name == name else n for n in found.raw.nodes)
        return dataclasses.replace(found, raw=dataclasses.replace(found.raw, nodes=nodes))

    @dataclasses.dataclass(frozen=True)
    class Truncate(Requantize):
        def evaluate(self, *inputs: Any) -> Any:
            return inputs[0] >> self.shift

    from gatewright.graph import Op

    del Op.known["truncate"]
    op: Any = found.raw.nodes[0].op
    assert not swapped(Truncate(op.shift, op.output)).compare(noise(20, 5)).holds


def test_operand_format_is_chosen_by_the_method() -> None:
    data = noise(400, 5).clone()
    data[0, 0] = 12
    forms = {}
    for method in ("mse", "range"):
        config = QuantConfig(16, operand_bits=5, method=method)
        graph = import_model(seeded(Residual), noise(1, 5), data, config=config).graph
        forms[method] = graph.types[graph.nodes[0].name].fixed
    assert forms["range"] == Fixed(5, 0) and forms["mse"].frac > 0


def test_narrow_inputs_are_read_as_they_are() -> None:
    assert str(imported(QuantConfig(operand_bits=8)).graph) == str(imported(QuantConfig()).graph)


def test_operands_of_padded_convolutions() -> None:
    model = seeded(
        lambda: nn.Sequential(nn.Conv1d(2, 3, 3), nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(3, 2, 3), nn.Conv1d(2, 2, 1))
    )
    overrides = {"3": {"operand_bits": None}, "input": {"activation_bits": 8}}
    found = imported(QuantConfig(12, operand_bits=8, overrides=overrides), model, 2, 9)
    assert [n.op.name() for n in found.graph.nodes] == ["conv1d", "requantize", "conv1d", "conv1d"]


def test_operand_bits_of_producers_and_readers() -> None:
    """What is stated for the reader comes before what is stated for the producer, and that before the rest."""
    said = {"*:add": {"operand_bits": None}}
    count = [
        sum(isinstance(n.op, Requantize) for n in imported(QuantConfig(16, operand_bits=8, overrides=o)).graph.nodes)
        for o in ({}, said, said | {"c": {"operand_bits": 8}}, {"a": {"operand_bits": 9}})
    ]
    assert count == [2, 2, 2, 3]
    assert (
        sum(
            isinstance(n.op, Requantize)
            for n in imported(QuantConfig(16, operand_bits=8, overrides={"*:relu": {"operand_bits": None}})).graph.nodes
        )
        == 1
    )


def test_argument_bits_count_when_all_readers_choose() -> None:
    said = {"*:linear": {"argument_bits": 9}}
    # The input is added too; the ReLU's result is not.
    assert widths(imported(QuantConfig(16, overrides=said)))["x"] == 16
    assert widths(imported(QuantConfig(16, overrides=said)))["add"] == 9
    both = said | {"*:add": {"argument_bits": 12}}
    found = widths(imported(QuantConfig(16, overrides=both)))
    assert (found["x"], found["linear"], found["linear_2"]) == (12, 12, 12)
    own = both | {"a": {"activation_bits": 7}}
    found = widths(imported(QuantConfig(16, overrides=own)))
    assert (found["linear"], found["linear_1"]) == (7, 12)


def test_argument_bits_reach_through_moves() -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv1d(2, 3, 3), Apply(lambda x: x.permute(0, 2, 1)), nn.Linear(3, 2)))
    found = imported(QuantConfig(16, overrides={"*:linear": {"argument_bits": 9}}), model, 2, 9)
    assert widths(found)["conv1d"] == 9


def test_transformer_defaults_state_the_classes() -> None:
    config = QuantConfig.transformer(9, 15, 7, hidden=11, overrides={"*:pwl": {"method": "range"}}, tie=("layer.*",))
    assert (config.activation_bits, config.weight_bits, config.operand_bits) == (15, 7, 9)
    assert config.stated("layer.0", {"gelu", "pwl"}) == {
        "activation_bits": 10,
        "argument_bits": 11,
        "operand_bits": None,
        "method": "range",
    }
    assert config.at("layer.0", {"top_k_attention"}).argument_bits == 9
    assert config.tie == ("layer.*",)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"operand_bits": 0}, r"QuantConfig.operand_bits: 0\n  supported: 1 to 16 bits"),
        ({"weight_bits": None}, r"QuantConfig.weight_bits: None"),
        ({"tie": ("layer",)}, r"QuantConfig.tie: 'layer'\n  supported: a path that ends in .\*"),
        ({"overrides": {"a": {"tie": ()}}}, r"QuantConfig.overrides\['a'\]: 'tie'"),
    ],
)
def test_wrong_choices_are_refused(values: dict[str, Any], text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        QuantConfig(**values)
