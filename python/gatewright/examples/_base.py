# SPDX-License-Identifier: Apache-2.0
"""What an example is; and the trained ones: deterministic, cached by content."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.frontend import Imported, QuantConfig, import_model
from gatewright.frontend.roll import Ring
from gatewright.sim.toolchain import cached, digest

Array = npt.NDArray[Any]

STATE = "state.npz"
"""Checkpoint in the cache entry of a trained example."""


@dataclass(frozen=True, eq=False)
class Data:
    """Float inputs [N, ...] in torch layout and integer labels [N].

    Attributes:
        rtl_x, rtl_y: what is sent through simulated RTL.
    """

    train_x: Array
    train_y: Array
    test_x: Array
    test_y: Array
    rtl_x: Array
    rtl_y: Array

    @property
    def content(self) -> list[bytes]:
        """Bytes that identify the training data."""
        return [np.ascontiguousarray(a).tobytes() for a in (self.train_x, self.train_y)]


@dataclass(frozen=True, eq=False)
class Study:
    """A network on real data, ready for simulation.

    Attributes:
        imported: the integer graph.
        samples: what is sent through simulated RTL: [N, ...], or a list of items of different lengths.
        real: the float model's results for `samples`.
        measure: name of the quality.
        quality: of results in the layout of the model.
    """

    imported: Imported
    samples: Any
    real: Any
    measure: str
    quality: Callable[[Any], float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Example(ABC):
    """A network with real weights and real data.

    Attributes:
        name: of the example.
        target: cycles per sample (of the greatest length) that the example is folded for.
        ring: layers that share one piece of hardware.
        stalled: also run the first samples in cocotb, with pauses on every port, when the example is simulated.
    """

    name: str
    target: float
    ring: Ring | None = None
    stalled: bool = True

    @abstractmethod
    def study(self) -> Study:
        """Weights, data and calibration."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Trained(Example):
    """A classifier, its data and how it is trained.

    Attributes:
        build: a fresh, untrained module.
        load: the data.
        epochs, batch, rate, decay: Adam with weight decay and a one-cycle schedule.
        shift: training images are moved by up to this many pixels.
        seed: of the weights and the order of the data.
        config: number formats.
        calibration: training items that formats are chosen from.
    """

    build: Callable[[], Any]
    load: Callable[[], Data]
    epochs: int
    batch: int = 64
    rate: float = 1e-2
    decay: float = 1e-4
    shift: int = 0
    seed: int = 0
    config: QuantConfig = field(default_factory=QuantConfig)
    calibration: int = 256

    def study(self) -> Study:
        data = self.load()
        model = self.trained(data)

        def quality(scores: Any) -> float:
            return accuracy(scores, data.rtl_y)

        return Study(self.imported(model, data), data.rtl_x, float_scores(model, data.rtl_x), "accuracy", quality)

    def trained(self, data: Data | None = None) -> Any:
        """The trained module in evaluation mode, from the build cache where it is there."""
        import torch

        from gatewright.compress import training

        data = data or self.load()
        key = digest([*self.ingredients, *data.content, torch.__version__])
        entry = cached(f"example-{self.name}", key, lambda folder: training.save(folder / STATE, self.train(data)))
        model = self.build()
        training.load(entry / STATE, model)
        return model.eval()

    @property
    def ingredients(self) -> list[str | bytes]:
        """What the trained weights depend on beside the data."""
        from gatewright.compress import training

        own = [self.seed, self.epochs, self.batch, self.rate, self.decay, self.shift]
        files = (inspect.getfile(self.build), __file__, training.__file__)
        return [repr(own), *(Path(f).read_bytes() for f in files)]

    def train(self, data: Data) -> Any:
        """Train a fresh module; the same seeds, threads and data give the same weights."""
        from gatewright.compress.training import Training, reproducible, train

        plan = Training(self.epochs, self.batch, self.rate, self.decay, self.shift, self.seed)
        with reproducible(self.seed):
            model = self.build()
            train(model, data.train_x, data.train_y, plan, label=f"training {self.name}", seeded=False)
        return model

    def imported(
        self, model: Any | None = None, data: Data | None = None, config: QuantConfig | None = None
    ) -> Imported:
        """The integer graph, calibrated on training data."""
        data = data or self.load()
        model = self.trained(data) if model is None else model
        seen = data.train_x[: self.calibration]
        return import_model(model, seen, seen, config=config or self.config, name=self.name)


def accuracy(scores: npt.ArrayLike, labels: Array) -> float:
    """Share of items [N, classes] whose highest score is at the label; the lowest index wins a tie."""
    return float(np.mean(np.argmax(np.asarray(scores), axis=1) == labels))


def float_scores(model: Any, x: Array) -> Array:
    """The float model's own results on a batch."""
    import torch

    with torch.no_grad():
        found: Array = model(torch.from_numpy(x).float()).numpy()
    return found


def float_accuracy(model: Any, x: Array, y: Array) -> float:
    """Accuracy of the float model on a batch."""
    return accuracy(float_scores(model, x), y)
