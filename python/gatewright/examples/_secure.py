# SPDX-License-Identifier: Apache-2.0
"""Networks that two parties compute: X2act in place of ReLU, learnt from teachers with ReLU, on MNIST.

They are not among the plain examples, which are simulated as they are: `networks` has them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from gatewright.errors import DataError
from gatewright.examples import mnist_lenet
from gatewright.examples._base import Data, Trained
from gatewright.examples._mnist import load
from gatewright.frontend import QuantConfig

ACTIVATIONS, SCORES, PIXELS, WEIGHTS = 14, 16, 8, 8
"""Bits. A secure truncation is off by up to one unit, where golden rounds: fine units keep labels the same."""
SEEN, CALIBRATION = 1024, 4000
"""Training images that the first polynomials are fitted to, and that formats hold: all, as nothing is to saturate."""


def formats(last: str, bits: int = ACTIVATIONS) -> QuantConfig:
    """Widths for shares; shares do not saturate, so no format is to cut anything off.

    Args:
        last: module path of the layer that gives the scores.
        bits: of activations.
    """
    own = {"input": {"activation_bits": PIXELS}, last: {"activation_bits": SCORES}}
    return QuantConfig(bits, WEIGHTS, method="range", overrides=own)


@dataclass(frozen=True, eq=False, kw_only=True)
class Student(Trained):
    """A network in which polynomials replace ReLU, taught by a trained one.

    Attributes:
        teacher: where the weights start from.
        keep: globs of ReLU and pooling layers that stay as they are.
        c: of `X2Act`.
        features: weight of the teacher's linear layers and convolutions in the loss.
    """

    teacher: Trained
    keep: Collection[str] = ()
    c: float = 10.0
    features: float = 0.1

    @property
    def ingredients(self) -> list[str | bytes]:
        from gatewright.compress import distill, features, knowledge, polynomial, sites

        own = [(f.name, getattr(self, f.name)) for f in fields(Student) if f.name in ("keep", "c", "features")]
        files = [polynomial.__file__, distill.__file__, features.__file__, knowledge.__file__, sites.__file__]
        return [*super().ingredients, *self.teacher.ingredients, repr(own), *(Path(f).read_bytes() for f in files)]

    def train(self, data: Data) -> Any:
        from torch import nn

        from gatewright.compress.distill import Distillation
        from gatewright.compress.polynomial import replace
        from gatewright.compress.training import Training, train

        teacher = self.teacher.trained(data)
        model = replace(teacher, data.train_x[:SEEN], c=self.c, start="dapa", keep=self.keep, pools=True)
        pairs = {n: n for n, m in teacher.named_modules() if isinstance(m, nn.Linear | nn.Conv2d)}
        loss = Distillation(teacher, pairs, features=self.features)
        plan = Training(self.epochs, self.batch, self.rate, self.decay, self.shift, self.seed, clip=1.0)
        train(model, data.train_x, data.train_y, plan, loss, f"training {self.name}")
        return model


def mlp_relu() -> Any:
    """784-128-128-10 with ReLU."""
    from torch import nn

    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10)
    )


def lenet_relu() -> Any:
    """LeNet-5 for 28 x 28 with ReLU and average pooling: 6,508 activations."""
    from torch import nn

    layers = (nn.AvgPool2d(2) if isinstance(layer, nn.MaxPool2d) else layer for layer in lenet_max())
    return nn.Sequential(*layers)


def lenet_max() -> Any:
    """LeNet-5 with ReLU and maximum pooling."""
    return mnist_lenet.build()


HYBRID = ("5", "8", "10")
"""The second pooling and the dense layers compare; they have few elements."""


def mlp() -> Any:
    """784-128-128-10 with X2act."""
    return _student(mlp_relu())


def lenet() -> Any:
    """LeNet-5 with X2act and average pooling."""
    return _student(lenet_relu())


def hybrid() -> Any:
    """LeNet-5 with X2act behind the convolutions, one maximum pooling, and ReLU behind the dense layers."""
    return _student(lenet_max(), HYBRID)


def _student(teacher: Any, keep: Collection[str] = ()) -> Any:
    from gatewright.compress.polynomial import replace

    return replace(teacher, np.zeros((1, 1, 28, 28), np.float32), c=10.0, keep=keep, pools=True)


def networks(seed: int = 0) -> dict[str, Trained]:
    """Every network by its name: teachers `mlp_relu`, `lenet_relu`, `lenet_max`, students `mlp`, `lenet`, `hybrid`.

    Args:
        seed: of the training.
    """

    def teacher(build: Callable[[], Any], epochs: int, shift: int, last: str) -> Trained:
        name = f"secure_{build.__name__}"
        return Trained(
            name=name, build=build, load=load, target=2e4, epochs=epochs, batch=128, rate=6e-3, shift=shift,
            seed=seed, config=formats(last), calibration=CALIBRATION,
        )  # fmt: skip

    def student(build: Callable[[], Any], of: Trained, epochs: int, keep: Collection[str] = ()) -> Student:
        name = f"secure_{build.__name__}"
        return Student(
            name=name, build=build, load=load, target=2e4, epochs=epochs, batch=128, rate=3e-3, shift=of.shift,
            seed=seed, config=of.config, calibration=of.calibration, teacher=of, keep=keep,
        )  # fmt: skip

    dense = teacher(mlp_relu, 30, 1, "5")
    small, large = teacher(lenet_relu, 20, 2, "11"), teacher(lenet_max, 20, 2, "11")
    taught = (student(mlp, dense, 30), student(lenet, small, 20), student(hybrid, large, 20, HYBRID))
    return {n.name.removeprefix("secure_"): n for n in (dense, small, large, *taught)}


def network(name: str, seed: int = 0) -> Trained:
    """One of the networks.

    Raises:
        DataError: there is no such name.
    """
    found = networks(seed)
    if name not in found:
        raise DataError(f"secure network {name}", "not found", ", ".join(found))
    return found[name]
