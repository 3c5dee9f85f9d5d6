# SPDX-License-Identifier: Apache-2.0
"""A small CNN with two early exits on MNIST: trained, compiled, timed, and put as the scheduler's `Network`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

import gatewright as gw
from gatewright.compress.early_exit import EarlyExits, Said, joint
from gatewright.compress.training import Training, reproducible, train
from gatewright.design import Design
from gatewright.examples._mnist import load
from gatewright.scheduler.sites import Block, Link, Network

Array = npt.NDArray[Any]
NAMES = ("conv1", "conv2", "fc1", "fc2", "fc3")
EXITS = {"exit1": "conv1", "exit2": "conv2"}
WEIGHTS = (0.5, 0.5, 1.0)
"""Of the three losses."""
CALIBRATION = 800
"""Training images that are kept back to choose thresholds with."""
TRAINING = Training(30, 64, 1e-2, shift=2)
BOARD, CLOCK = "tang-nano-20k", 27e6
EDGE_FACTOR = 20.0
LINKS = (Link(200e3, 0.0005), Link(2e6, 0.002))
REPEATS = 200


def network() -> EarlyExits:
    """Five blocks in a row, and a linear classifier behind each of the first two.

    The first block's result is a quarter of the image, so that there is a place to cut.
    """
    blocks = [
        nn.Sequential(nn.Conv2d(1, 4, 5, stride=2, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Sequential(nn.Conv2d(4, 24, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Sequential(nn.Flatten(), nn.Linear(216, 120), nn.ReLU()),
        nn.Sequential(nn.Linear(120, 84), nn.ReLU()),
        nn.Linear(84, 10),
    ]
    return EarlyExits(blocks, {i: nn.Sequential(nn.Flatten(), nn.Linear(n, 10)) for i, n in enumerate((196, 216))})


class Study:
    """The trained network, its hardware and its data."""

    def __init__(self) -> None:
        data = load()
        self.train = data.train_x[:-CALIBRATION], data.train_y[:-CALIBRATION]
        self.calibration = data.train_x[-CALIBRATION:], data.train_y[-CALIBRATION:]
        self.test = data.test_x, data.test_y
        self.model = trained(*self.train)

    @cached_property
    def classifiers(self) -> list[Design]:
        """The hardware up to each exit and to the end."""
        return [compiled(path, self.train[0]) for path in self.model.paths()]

    def said(self, images: Array, labels: Array) -> list[Said]:
        """By each exit and the end, in the integers of the hardware."""
        return [Said.of(np.asarray(design.run(images)), labels) for design in self.classifiers]

    def blocks(self) -> tuple[list[Block], list[tuple[float, ...]]]:
        """Every block, and the seconds of every exit per site.

        On the device from the cycle model: what a longer path takes longer. On the host measured, one image at a time.
        """
        cycles, sizes = [0], []
        for index in range(len(NAMES)):
            design = compiled(self.model.path(index + 1), self.train[0])
            cycles.append(design.predict([784]).cycles)
            (output,) = design.graph.outputs
            kind = design.graph.types[output]
            sizes.append(kind.tokens * kind.channels * kind.fixed.width / 8)
        steps = np.diff(cycles) / CLOCK
        heads = [(d.predict([784]).cycles - cycles[i + 1]) / CLOCK for i, d in enumerate(self.classifiers[:-1])]
        image = torch.from_numpy(self.test[0][:1]).float()
        blocks, exits = [], []
        for index, name in enumerate(NAMES):
            block = self.model.blocks[index].eval()
            blocks.append(Block(name, sites(steps[index], measured(block, image)), sizes[index]))
            with torch.no_grad():
                image = block(image)
            if index < len(heads):
                exits.append(sites(heads[index], measured(self.model.heads[str(index)].eval(), image)))
        return blocks, exits

    def networks(self) -> tuple[Network, Network]:
        """With the calibration samples, and with the test samples."""
        blocks, seconds = self.blocks()
        found = []
        for images, labels in (self.calibration, self.test):
            *early, end = self.said(images, labels)
            exits = tuple(
                s.exit(name, after, time) for (name, after), time, s in zip(EXITS.items(), seconds, early, strict=True)
            )
            right = tuple(end.right.tolist())
            found.append(Network(("device", "edge", "host"), LINKS, tuple(blocks), 784.0, right, exits, 1.0))
        return found[0], found[1]


def sites(device: float, host: float) -> tuple[float, ...]:
    """Seconds on device, edge and host; six digits."""
    return tuple(float(f"{t:.6g}") for t in (device, EDGE_FACTOR * host, host))


def trained(images: Array, labels: Array, seed: int = 0) -> EarlyExits:
    """The network with all classifiers trained together."""
    with reproducible(seed):
        model = network()
        train(model, images, labels, replace(TRAINING, seed=seed), joint(WEIGHTS), seeded=False)
    return model


def compiled(path: nn.Sequential, images: Array) -> Design:
    """One multiplier per operator: the smallest hardware there is; formats are those of the first images."""
    seen = images[:256]
    plan = gw.compile(path, seen[:1], seen, board=BOARD)
    return gw.compile(path, seen[:1], seen, board=BOARD, foldings={n: gw.Folding() for n in plan.foldings})


def measured(module: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> float:
    """Median seconds of one call."""
    spent: list[float] = []
    with torch.no_grad():
        for _ in range(REPEATS):
            start = time.perf_counter()
            module(x)
            spent.append(time.perf_counter() - start)
    return float(np.median(spent))


def coarser(images: Array, factor: int) -> Array:
    """Images [N, 1, 28, 28] sampled `factor` times more coarsely in both directions, and interpolated back."""
    x = torch.from_numpy(images).float()
    small = nn.functional.avg_pool2d(x, factor)
    # Eight bits are sent.
    small = torch.floor(small * 256).clamp(0, 255) / 256
    return nn.functional.interpolate(small, size=x.shape[-2:], mode="bilinear").numpy()


def accuracy(said: Sequence[bool] | Array) -> float:
    """Share that is right."""
    return float(np.mean(said))
