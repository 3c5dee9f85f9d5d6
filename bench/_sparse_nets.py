# SPDX-License-Identifier: Apache-2.0
"""Networks and data for sparse training, and one training of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from gatewright.compress.dst_ee import Exploration, exploration, scaled, train_sparse
from gatewright.compress.sparse import Pattern, finished, kept_share, masked
from gatewright.compress.training import Training, evaluate, reproducible, train
from gatewright.examples import _mnist, digits_mlp
from gatewright.examples._base import Data

ROUNDS = 35
"""Updates of the masks in a training."""


@dataclass(frozen=True)
class Net:
    """A network, its data and its training."""

    title: str
    build: Callable[[], nn.Module]
    load: Callable[[], Data]
    training: Training


def perceptron() -> nn.Module:
    """784-256-64-10: widths that every pattern divides."""
    layers = [nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 10)]
    return nn.Sequential(nn.Flatten(), *layers)


def digits() -> nn.Module:
    """64-128-64-10."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))


def convolutional() -> nn.Module:
    """Two strided convolutions of 5 x 5 and two dense layers."""
    layers = [nn.Conv2d(1, 8, 5, 2), nn.ReLU(), nn.Conv2d(8, 16, 5, 2), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(256, 32), nn.ReLU(), nn.Linear(32, 10))


NETS = {
    "mlp": Net("perceptron 784-256-64-10, MNIST subset", perceptron, _mnist.load, Training(15, 64, 5e-3)),
    "cnn": Net("strided CNN 8-16-32-10, MNIST subset", convolutional, _mnist.load, Training(10, 64, 5e-3)),
    "digits": Net("perceptron 64-128-64-10, digits", digits, digits_mlp.load, Training(60, 64, 1e-2)),
}


def run(
    net: Net, how: Exploration | None, density: float, seed: int, pattern: Pattern | None = None, erk: bool = True
) -> tuple[nn.Module, dict[str, float]]:
    """One training from fresh weights; without `how` a dense one.

    Returns:
        the plain model with its zeros, and accuracy, density and R.
    """
    data, training = net.load(), replace(net.training, seed=seed)
    with reproducible(seed):
        model: Any = net.build()
    if how is None:
        train(model, data.train_x, data.train_y, training)
        return model, {"accuracy": evaluate(model, data.test_x, data.test_y).accuracy, "density": 1.0, "R": 1.0}
    # The last layer is small, and each of its weights counts.
    model = masked(model, density, pattern, distribution="erk" if erk else "uniform", keep=last(model), seed=seed)
    steps = training.epochs * (len(data.train_x) // training.batch)
    train_sparse(model, data.train_x, data.train_y, training, scaled(how, steps, ROUNDS))
    found = {"density": kept_share(model), "R": exploration(model)}
    return finished(model), {"accuracy": evaluate(model, data.test_x, data.test_y).accuracy, **found}


def held_out(net: Net, seed: int) -> Net:
    """The same network without test images: it is judged by a random fifth of the training images, not trained on."""
    data = net.load()
    order = np.random.default_rng(seed).permutation(len(data.train_x))
    judged, seen = np.split(order, [len(order) // 5])
    parts = (data.train_x[seen], data.train_y[seen], data.train_x[judged], data.train_y[judged])
    names = ("train_x", "train_y", "test_x", "test_y")
    return replace(net, load=partial(replace, data, **dict(zip(names, parts, strict=True))))


def last(model: nn.Module) -> list[str]:
    """Path of the classifier."""
    return [[p for p, m in model.named_modules() if isinstance(m, nn.Linear)][-1]]
