# SPDX-License-Identifier: Apache-2.0
"""The search: gates, the bilevel gradient against automatic differentiation, and what it picks at either end."""

from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from gatewright.compress.polynomial import X2Act
from gatewright.compress.search import (
    Found,
    Gate,
    Search,
    alpha_gradient,
    expected,
    freeze,
    gates,
    latencies,
    parameters,
    search,
    supernet,
)
from gatewright.compress.sites import sites
from gatewright.compress.training import cross_entropy, reproducible
from gatewright.errors import DataError
from gatewright.examples._mnist import load

COST = {"relu": 5.0, "x2act": 1.0, "max_pool": 4.0, "average_pool": 0.5}


def network() -> nn.Sequential:
    with reproducible(2):
        return nn.Sequential(nn.Conv2d(1, 4, 5, stride=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(144, 10))


def test_gates_mix_and_freeze() -> None:
    x = torch.rand(5, 1, 28, 28)
    model = supernet(network(), x)
    assert list(gates(model)) == ["1", "2"]
    gate = model[1]
    with torch.no_grad():
        gate.alpha.copy_(torch.tensor([0.0, 2.0]))
    p = float(torch.sigmoid(torch.tensor(2.0)))
    inner = model[0](x)
    assert torch.allclose(gate(inner), (1 - p) * torch.relu(inner) + p * gate.choices["x2act"](inner), atol=1e-6)
    assert gate.chances == pytest.approx({"relu": 1 - p, "x2act": p}) and gate.best == "x2act"
    frozen = freeze(model)
    # Equal chances keep what was there.
    assert [type(m) for m in frozen][1:3] == [X2Act, nn.MaxPool2d]
    assert [type(m) for m in freeze(model, {"1": "relu", "2": "average_pool"})][1:3] == [nn.ReLU, nn.AvgPool2d]
    assert isinstance(model[1], Gate)


def test_expected_latency_and_its_gradient() -> None:
    x = torch.rand(5, 1, 28, 28)
    model = supernet(network(), x)
    table = latencies(sites(network(), x), lambda s, choice: COST[choice] * s.elements)
    assert table["1"] == {"relu": 5.0 * 576, "x2act": 576.0}
    value = expected(gates(model), table)
    assert float(value.detach()) == pytest.approx(576 * (6 / 2 + 4.5 / 2))
    value.backward()
    # d/d alpha_relu of softmax . cost at equal chances is a quarter of the difference.
    assert model[1].alpha.grad.tolist() == pytest.approx([576.0, -576.0])
    with pytest.raises(DataError, match=r"latency of 2: \['max_pool'\]\n  supported: max_pool, average_pool"):
        expected(gates(model), {**table, "2": {"max_pool": 1.0}})


def test_second_order_gradient_against_autograd() -> None:
    """The central difference against differentiation through the step, in double precision."""
    with reproducible(0):
        start = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
        x, y, judged, wanted = torch.randn(9, 3), torch.randint(2, (9,)), torch.randn(9, 3), torch.randint(2, (9,))
    x, judged = x.double(), judged.double()
    model = supernet(start, x, c=5.0).double()
    weights, alphas = parameters(model)
    assert len(alphas) == 1 and len(weights) == 7
    rate = 0.3

    def training() -> torch.Tensor:
        return cross_entropy(model, x, y)

    def objective() -> torch.Tensor:
        return cross_entropy(model, judged, wanted)

    before = [w.detach().clone() for w in weights]
    (found,) = alpha_gradient(weights, alphas, training, objective, rate)
    assert all(torch.equal(w, b) for w, b in zip(weights, before, strict=True))
    (first,) = alpha_gradient(weights, alphas, training, objective, 0.0)

    names = {id(p): n for n, p in model.named_parameters()}
    steps = torch.autograd.grad(training(), weights, create_graph=True)
    moved = {names[id(w)]: w - rate * s for w, s in zip(weights, steps, strict=True)}
    loss = nn.functional.cross_entropy(torch.func.functional_call(model, moved, judged), wanted)
    (exact,) = torch.autograd.grad(loss, alphas)
    assert torch.allclose(found, exact, rtol=1e-3, atol=1e-7)
    assert float((first - exact).abs().max()) > 1e-3


@cache
def searched(weight: float, second_order: bool = True) -> tuple[Found, Any]:
    data = load()
    x, y = data.train_x[:1024], data.train_y[:1024]
    model = supernet(network(), x[:64], c=10.0)
    table = latencies(sites(network(), x[:64]), lambda site, choice: COST[choice])
    options = Search(weight, epochs=3, batch=64, alpha_rate=0.1, second_order=second_order)
    return search(model, x, y, table, options), table


@pytest.mark.parametrize("second_order", [True, False])
def test_a_huge_weight_takes_the_cheap_choices(second_order: bool) -> None:
    found, _ = searched(100.0, second_order)
    assert found.choices == {"1": "x2act", "2": "average_pool"}
    assert [type(m) for m in found.model][1:3] == [X2Act, nn.AvgPool2d] and not gates(found.model)
    assert all(max(c.values()) > 0.6 for c in found.chances.values())
    assert found.losses[-1] < found.losses[0]


def test_no_weight_takes_what_helps_accuracy() -> None:
    """A near linear X2act in a network whose labels need the bend: ReLU is better, whatever it costs."""
    with reproducible(0):
        x = torch.randn(1024, 2)
        y = (x[:, 0].abs() + x[:, 1].abs() > 1.1).long()
        model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
    model = supernet(model, x)
    # So slow that w1 stays where it starts.
    model[1].choices["x2act"].scale = 1e-6
    table = {"1": {"relu": 1000.0, "x2act": 0.0}}
    options = Search(0.0, epochs=4, batch=32, rate=0.1, alpha_rate=0.1)
    assert search(model, x, y, table, options).choices == {"1": "relu"}


def test_it_repeats_itself_and_refuses() -> None:
    first, table = searched(100.0)
    data = load()
    x, y = data.train_x[:1024], data.train_y[:1024]
    options = Search(100.0, epochs=3, batch=64, alpha_rate=0.1)
    again = search(supernet(network(), x[:64], c=10.0), x, y, table, options)
    assert again.chances == first.chances and again.losses == first.losses
    with pytest.raises(DataError, match="the model has no gates"):
        search(network(), x, y, table, options)
    with pytest.raises(DataError, match="100 inputs, 100 labels\n.*a batch of 128"):
        search(supernet(network(), x[:64]), x[:100], y[:100], table, options)
