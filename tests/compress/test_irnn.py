# SPDX-License-Identifier: Apache-2.0
"""Recurrent networks trained in integers: what they compute is golden, gradients, checkpoints, recipes, refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress import irnn, quantize, training
from gatewright.compress.recipe import Recipe
from gatewright.errors import DataError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.nn.fake_quantize import Rounding
from gatewright.nn.recurrence import Recurrence
from gatewright.ops._recurrent import Cell, Forms
from gatewright.ops.recurrent import Recurrent

NARROW, WIDE = QuantConfig(activation_bits=4, weight_bits=3), QuantConfig(activation_bits=8, weight_bits=8)


class Net(nn.Module):
    """Recurrent layers, then a linear layer on the last step or on every one."""

    def __init__(self, cell: str, last: bool = True, seed: int = 0, **options: Any) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.rnn = getattr(nn, cell)(5, 6, **options)
        self.out = nn.Linear(6, 3)
        self.last = last
        self.eval()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, L, 5] to [N, 3] or [N, L, 3]."""
        turned = not self.rnn.batch_first
        y, _ = self.rnn(x.transpose(0, 1) if turned else x)
        if self.last:
            y = y[-1] if turned else y[:, -1]
        elif turned:
            y = y.transpose(0, 1)
        scores: torch.Tensor = self.out(y)
        return scores


def data(count: int = 48, steps: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    """The class says in which third of the sequence the first channel is largest."""
    x = torch.randn(count, steps, 5, generator=torch.Generator().manual_seed(1))
    return x, x[:, :, 0].argmax(1) * 3 // steps


def recurrences(found: Imported) -> list[Recurrent]:
    return [n.op for n in found.graph.nodes if isinstance(n.op, Recurrent)]


@pytest.mark.parametrize(
    ("cell", "options", "config"),
    [
        ("LSTM", {"num_layers": 2, "batch_first": True}, NARROW),
        ("LSTM", {"bias": False}, WIDE),
        ("GRU", {}, NARROW),
        ("GRU", {"num_layers": 2, "dropout": 0.2, "bias": False, "batch_first": True}, WIDE),
    ],
    ids=["lstm narrow", "lstm wide", "gru narrow", "gru wide"],
)
def test_evaluation_gives_the_golden_integers(cell: str, options: dict[str, Any], config: QuantConfig) -> None:
    """Before and after training; compiled with data that say nothing about formats."""
    x, y = data()
    model: Any = irnn.prepare(Net(cell, **options), x, config)
    before = model.rnn.layers[0].recurrence.weight.detach().clone()
    for epochs in (0, 3):
        if epochs:
            training.train(model, x, y, training.Training(epochs, 16, 1e-2))
        done = quantize.finished(model)
        found = import_model(done, x[:1], torch.zeros_like(x[:1]))
        with torch.no_grad():
            scores = model(x)
            assert torch.equal(scores, done(x))
            model.rnn.dropout.p = 0
            assert torch.equal(scores, model.train()(x))
            model.eval()
        assert np.array_equal(found.run(x), scores.double().numpy())
        assert all(op.weight_width <= config.weight_bits for op in recurrences(found))
        assert found.compare(x[:4]).holds
    assert not torch.equal(before, model.rnn.layers[0].recurrence.weight)


@pytest.mark.parametrize("first", [True, False])
def test_every_step_at_any_length(first: bool) -> None:
    items = [torch.randn(n, 5, generator=torch.Generator().manual_seed(n)) for n in (3, 9, 1, 12)]
    model = irnn.prepare(Net("LSTM", last=False, batch_first=first), items, NARROW, dynamic={"n": (1, 12)})
    done = quantize.finished(model)
    found = import_model(done, items[0][None], items[:1], dynamic={"n": (1, 12)})
    for item in items:
        with torch.no_grad():
            assert np.array_equal(found.run([item])[0], model(item[None])[0].double().numpy())


@pytest.mark.parametrize("slopes", ["table", "function"])
@pytest.mark.parametrize("cell", ["LSTM", "GRU"])
def test_gradients_are_near_those_of_the_float_network(cell: str, slopes: str) -> None:
    x, y = data()
    model, made = (Net(cell, batch_first=True) for _ in range(2))
    prepared: Any = irnn.prepare(
        made, x, QuantConfig(activation_bits=12, weight_bits=12, method="range"), slopes=slopes
    )
    for one in (model, prepared):
        training.cross_entropy(one.train(), x, y).backward()
    layer = prepared.rnn.layers[0]
    pairs = [
        (model.rnn.weight_hh_l0.grad, layer.recurrence.parametrizations["weight"].original.grad),
        (model.rnn.weight_ih_l0.grad, layer.gates.parametrizations["weight"].original.grad),
        (model.out.weight.grad, prepared.out.parametrizations["weight"].original.grad),
    ]
    for theirs, ours in pairs:
        # Gates in the order of the hardware.
        theirs = theirs.reshape(4, -1)[[0, 2, 1, 3]].reshape(ours.shape) if cell == "LSTM" and len(ours) > 3 else theirs
        assert nn.functional.cosine_similarity(theirs.flatten(), ours.flatten(), 0) > 0.99
        assert ours.norm() / theirs.norm() == pytest.approx(1, abs=0.05)


def test_no_gradient_where_a_value_saturates() -> None:
    x = torch.tensor([-9.0, -0.3, 0.3, 9.0], requires_grad=True)
    y = Rounding(Fixed(4, 2))(x)
    y.sum().backward()
    assert y.tolist() == [-2.0, -0.25, 0.25, 1.75]
    assert x.grad is not None and x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert torch.equal(Rounding(Fixed(4, 2)).eval()(x), y)


def test_checkpoints_hold_formats(tmp_path: Path) -> None:
    x, y = data()
    model = irnn.prepare(Net("GRU"), x, NARROW)
    training.train(model, x, y, training.Training(1, 16, 1e-2))
    training.save(tmp_path / "a.npz", model, bits=3)
    other: Any = irnn.prepare(Net("GRU", seed=1), 20 * x, NARROW)
    before = other.rnn.layers[0].recurrence.forms
    assert training.load(tmp_path / "a.npz", other) == {"bits": 3}
    assert other.rnn.layers[0].recurrence.forms != before
    assert torch.equal(other.eval()(x), model(x))


def test_a_step_of_a_recipe() -> None:
    x, y = data()

    def method(model: nn.Module) -> nn.Module:
        made = irnn.prepare(model, x, NARROW)
        training.train(made, x, y, training.Training(40, 16, 1e-2))
        return quantize.finished(made)

    net = Net("LSTM", batch_first=True)
    before, after = Recipe().then("iRNN", method).run(net)
    assert torch.equal(before.model(x), net(x))
    accuracy = training.evaluate(after.model, x, y).accuracy
    assert accuracy > training.evaluate(quantize.finished(irnn.prepare(net, x, NARROW)), x, y).accuracy + 0.2
    assert recurrences(import_model(after.model, x[:1], x[:1]))[0].weight_width <= 3


def test_layers_that_stay() -> None:
    x, _ = data()
    model: Any = irnn.prepare(Net("GRU"), x, NARROW, keep=("out",))
    assert type(model.out) is nn.Linear and list(quantize.quantizers(model)) == [
        "rnn.layers.0.gates",
        "rnn.layers.0.recurrence",
    ]


class Twice(Net):
    """One layer, two calls."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, L, 5] to [N, L, 3]."""
        first, _ = self.rnn(x)
        second, _ = self.rnn(torch.relu(x))
        scores: torch.Tensor = self.out(first + second)
        return scores


def steep() -> Net:
    """Preactivations far beyond what a gate looks at."""
    net = Net("GRU")
    with torch.no_grad():
        net.rnn.weight_hh_l0 *= 2.0**22
    return net


@pytest.mark.parametrize(
    ("net", "options", "error", "text"),
    [
        (nn.Sequential(nn.Linear(5, 2)).eval(), {}, UnsupportedError, "no recurrent layer"),
        (Twice("GRU", batch_first=True), {}, UnsupportedError, "'rnn'.*called 2 times"),
        (nn.Sequential(nn.BatchNorm1d(5)).eval(), {}, UnsupportedError, "0: a batch norm(.|\n)*merged"),
        (Net("GRU"), {"slopes": "line"}, DataError, "'line'(.|\n)*table or function"),
        (Net("GRU"), {"keep": ("x",)}, UnsupportedError, "'x' matches no layer"),
        (steep(), {"config": QuantConfig(16, 16)}, UnsupportedError, r"'rnn' layer 0(.|\n)*sums of 5\d bits"),
    ],
)
def test_refusals(net: nn.Module, options: dict[str, Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        irnn.prepare(net, data()[0], **options)


def test_a_first_state_and_another_input_format_are_refused() -> None:
    x, _ = data()
    model: Any = irnn.prepare(Net("GRU", batch_first=True), x, NARROW)
    with pytest.raises(UnsupportedError, match="a first state"):
        model.rnn(x, torch.zeros(1, 48, 6))
    forms = Forms(Fixed(4, 1), Fixed(6, 3), Fixed(6, 3), Fixed(8, 6), Fixed(4, 3), Fixed(7, 6))
    alone = nn.Sequential(nn.Linear(5, 18), Recurrence(Cell.GRU, torch.ones(18, 6), torch.ones(18), forms)).eval()
    with pytest.raises(UnsupportedError, match=r"input = s8(.|\n)*s4.1, with which the layer was trained"):
        import_model(alone, x[:1], x)
