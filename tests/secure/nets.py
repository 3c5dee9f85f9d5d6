# SPDX-License-Identifier: Apache-2.0
"""Small networks on MNIST, trained in seconds and cached, with every kind of activation and pooling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatewright.examples._base import Trained
from gatewright.examples._mnist import load
from gatewright.frontend import QuantConfig


def mlp() -> Any:
    """784-128-128-10 with quadratic activations."""
    from torch import nn

    from gatewright.nn.quadratic import Quadratic

    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), Quadratic(), nn.Linear(128, 128), Quadratic(), nn.Linear(128, 10)
    )


def hybrid() -> Any:
    """A LeNet with quadratic activations and average pooling in front, ReLU and maximum pooling behind."""
    from torch import nn

    from gatewright.nn.quadratic import Quadratic

    return nn.Sequential(
        nn.Conv2d(1, 4, 5, padding=2),
        Quadratic(4),
        nn.AvgPool2d(2),
        nn.Conv2d(4, 8, 5),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(200, 32),
        nn.ReLU(),
        nn.Linear(32, 10),
    )


def trained(build: Callable[[], Any], last: str) -> Trained:
    """A network with its data; some 3 seconds of training where it is not cached.

    Args:
        last: path of the layer that gives the scores.
    """
    # No format cuts anything off that calibration has seen, and units are fine: labels are then golden's.
    own = {"input": {"activation_bits": 8}, last: {"activation_bits": 16}}
    return Trained(
        name=f"tests_{build.__name__}", build=build, load=load, target=2e4, epochs=3, rate=3e-3,
        config=QuantConfig(14, 8, method="range", overrides=own), calibration=1024,
    )  # fmt: skip


def trained_mlp() -> Trained:
    """See `mlp`."""
    return trained(mlp, "5")


def trained_hybrid() -> Trained:
    """See `hybrid`."""
    return trained(hybrid, "9")
