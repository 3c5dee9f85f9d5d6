# SPDX-License-Identifier: Apache-2.0
"""Networks for the bench of widths, and one training of each kind."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from _sparse_nets import convolutional
from torch import nn

from gatewright.compress import quantize
from gatewright.compress.training import Training, evaluate, reproducible, train
from gatewright.examples._mnist import load

SEEDS = (0, 1, 2)
DENSE, TUNED = Training(8, 64, 5e-3), Training(2, 64, 2e-3)


@dataclass(frozen=True)
class Net:
    """A network.

    Attributes:
        title: what it is.
        build: makes it.
        target: cycles per image of its hardware.
        pace: cycles per token of every layer at that target.
    """

    title: str
    build: Callable[[], nn.Module]
    target: int
    pace: dict[str, int]

    @property
    def weights(self) -> int:
        """Numbers in its matrices."""
        return sum(m.weight.numel() for m in self.build().modules() if isinstance(m, nn.Linear | nn.Conv2d))


def perceptron() -> nn.Module:
    """784-128-64-10; the first layer has 92 % of the weights."""
    layers = [nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)]
    return nn.Sequential(nn.Flatten(), *layers)


NETS = {
    "cnn": Net("Strided CNN 8-16-32-10", convolutional, 2000, {"0": 14, "2": 125, "5": 2000, "7": 2000}),
    "mlp": Net("Perceptron 784-128-64-10", perceptron, 784, dict.fromkeys(("1", "3", "5"), 784)),
}


@cache
def dense(net: str, seed: int) -> nn.Module:
    """Trained in float."""
    data = load()
    with reproducible(seed):
        model = NETS[net].build()
    train(model, data.train_x, data.train_y, replace(DENSE, seed=seed), label=f"{net} {seed}")
    return model


def accuracy(model: nn.Module) -> float:
    """On the 1,000 test images."""
    data = load()
    return evaluate(model, data.test_x, data.test_y).accuracy


def tuned(net: str, bits: Any, seed: int) -> nn.Module:
    """Trained further with weights rounded to these widths, then plain."""
    data, model = load(), quantize.prepare(dense(net, seed), bits)
    train(model, data.train_x, data.train_y, replace(TUNED, seed=seed), label=f"{net} widths")
    return quantize.finished(model)


def brevitas(bits: int, seed: int) -> float:
    """Accuracy of the perceptron after as much training with weights quantized by brevitas, in powers of two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import brevitas.nn as qnn
        from brevitas.quant.fixed_point import Int8WeightPerChannelFixedPoint

        data, before = load(), dense("mlp", seed)
        made = [
            qnn.QuantLinear(
                m.in_features, m.out_features, bias=True, weight_quant=Int8WeightPerChannelFixedPoint,
                weight_bit_width=bits,
            ) if isinstance(m, nn.Linear) else type(m)()
            for m in before.children()
        ]  # fmt: skip
        model = nn.Sequential(*made)
        model.load_state_dict(before.state_dict(), strict=False)
        train(model, data.train_x, data.train_y, replace(TUNED, seed=seed), label=f"brevitas {bits}")
        return accuracy(model)
