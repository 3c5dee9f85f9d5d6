# SPDX-License-Identifier: Apache-2.0
"""Networks for two parties: listed apart from the examples, polynomial, and as accurate as their teachers."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from gatewright.compress.polynomial import X2Act
from gatewright.errors import DataError
from gatewright.examples import examples
from gatewright.examples._base import accuracy, float_accuracy
from gatewright.examples._mnist import load
from gatewright.examples._secure import HYBRID, network, networks


def test_names_and_layers() -> None:
    made = networks()
    assert set(made) == {"mlp_relu", "lenet_relu", "lenet_max", "mlp", "lenet", "hybrid"}
    assert not set(made) & set(examples()) and all(n.name == f"secure_{k}" for k, n in made.items())
    kinds = {name: [type(m) for m in n.build()] for name, n in made.items()}
    assert nn.ReLU not in kinds["mlp"] + kinds["lenet"] and nn.MaxPool2d not in kinds["lenet"]
    assert [kinds["hybrid"][int(i)] for i in HYBRID] == [nn.MaxPool2d, nn.ReLU, nn.ReLU]
    activations = [m.scale for m in network("lenet").build() if isinstance(m, X2Act)]
    assert activations == pytest.approx([10 / n**0.5 for n in (4704, 1600, 120, 84)])
    with pytest.raises(DataError, match="secure network cnn: not found\n  supported: mlp_relu, "):
        network("cnn")


def test_the_cache_knows_what_weights_depend_on() -> None:
    own = network("mlp")
    assert isinstance(own, type(network("lenet"))) and own.ingredients == network("mlp").ingredients
    others = [network("mlp", seed=1), dataclasses.replace(own, features=0.2), dataclasses.replace(own, epochs=3)]
    others.append(dataclasses.replace(own, teacher=dataclasses.replace(own.teacher, epochs=3)))
    assert all(o.ingredients != own.ingredients for o in others)


def test_a_polynomial_network_is_as_accurate_as_its_teacher() -> None:
    data, own = load(), network("mlp")
    model = own.trained(data)
    teacher = float_accuracy(network("mlp_relu").trained(data), data.test_x, data.test_y)
    found = float_accuracy(model, data.test_x, data.test_y)
    assert found > 0.96 and found > teacher - 0.01
    imported = own.imported(model, data)
    scores = imported.run(data.test_x)
    assert accuracy(scores, data.test_y) > found - 0.005
    assert sum(n.op.name() == "quadratic" for n in imported.graph.nodes) == 2
    again = network("mlp").trained(data)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
    # Wide enough: the integers are close to the float model.
    with torch.no_grad():
        assert np.abs(scores - model(torch.from_numpy(data.test_x)).numpy()).max() < 0.5
