# SPDX-License-Identifier: Apache-2.0
"""A LeNet on MNIST: padded and plain convolutions, maximum pooling, three dense layers."""

from __future__ import annotations

from typing import Any

from gatewright.examples._base import Trained
from gatewright.examples._mnist import load


def build() -> Any:
    """An untrained LeNet."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        nn.ReLU(),
        nn.Linear(120, 84),
        nn.ReLU(),
        nn.Linear(84, 10),
    )


EXAMPLE = Trained(name="mnist_lenet", build=build, load=load, target=5000, epochs=10, batch=128, rate=6e-3, shift=2)
