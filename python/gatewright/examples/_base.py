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
from gatewright.progress import track
from gatewright.sim.toolchain import cached, digest

Array = npt.NDArray[Any]

THREADS = 1
"""Fixed, because the order of float sums depends on it; these networks are too small to gain from more."""


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

        data = data or self.load()
        sources = [Path(inspect.getfile(self.build)).read_bytes(), Path(__file__).read_bytes()]
        key = digest([*sources, *data.content, torch.__version__])

        def build(folder: Path) -> None:
            state = self.train(data).state_dict()
            np.savez(folder / "state.npz", **{k: v.numpy() for k, v in state.items()})

        entry = cached(f"example-{self.name}", key, build)
        model = self.build()
        with np.load(entry / "state.npz") as state:
            model.load_state_dict({k: torch.from_numpy(state[k]) for k in state.files})
        return model.eval()

    def train(self, data: Data) -> Any:
        """Train a fresh module; the same seeds, threads and data give the same weights."""
        import torch

        threads = torch.get_num_threads()
        torch.set_num_threads(THREADS)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                return self._train(data)
        finally:
            torch.set_num_threads(threads)

    def _train(self, data: Data) -> Any:
        import torch

        model = self.build().train()
        x, y = torch.from_numpy(data.train_x).float(), torch.from_numpy(data.train_y).long()
        steps = self.epochs * (len(x) // self.batch)
        optimizer = torch.optim.AdamW(model.parameters(), lr=self.rate, weight_decay=self.decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.rate, total_steps=steps)
        order = torch.empty(0, dtype=torch.long)
        for _ in track(range(steps), f"training {self.name}"):
            if len(order) < self.batch:
                order = torch.randperm(len(x))
            chosen, order = order[: self.batch], order[self.batch :]
            loss = torch.nn.functional.cross_entropy(model(self._moved(x[chosen])), y[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        return model.eval()

    def _moved(self, images: Any) -> Any:
        """The images, each rolled by a random offset; their margins are empty."""
        import torch

        if not self.shift:
            return images
        down, right = torch.randint(-self.shift, self.shift + 1, (2,)).tolist()
        return torch.roll(images, (down, right), (-2, -1))

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
