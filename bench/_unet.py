# SPDX-License-Identifier: Apache-2.0
"""Small U-Nets and scenes of several MNIST digits to train them on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from gatewright.examples._mnist import load
from gatewright.fixed import Floats

CLASSES = 4
"""Background, and a group of digits each."""
GROUPS = np.array([1, 1, 1, 1, 2, 2, 2, 3, 3, 3])
"""Class of each digit: 0 to 3, 4 to 6, 7 to 9."""
SIZE, DIGITS = 48, 4
"""Pixels of a scene's side; digits in it."""
INK = 0.35
"""Brightness from which a pixel belongs to its digit."""
UPS = ("transposed", "nearest")


@dataclass(frozen=True)
class Scenes:
    """Images [N, 1, SIZE, SIZE] from 0 to 1 and class indices [N, SIZE, SIZE]."""

    x: Floats
    y: np.ndarray


def scenes(images: Floats, labels: np.ndarray, count: int, seed: int) -> Scenes:
    """Scenes of `DIGITS` digits [N, 1, 28, 28], shifted and overlapping; the brighter one owns a pixel."""
    rng = np.random.default_rng(seed)
    x = np.zeros((count, 1, SIZE, SIZE), np.float64)
    y = np.zeros((count, SIZE, SIZE), np.int64)
    for n in range(count):
        for k in rng.integers(0, len(images), DIGITS):
            top, left = rng.integers(0, SIZE - 28 + 1, 2)
            part = slice(top, top + 28), slice(left, left + 28)
            digit, below = images[k, 0], x[n, 0][part]
            y[n][part] = np.where((digit > INK) & (digit > below), GROUPS[labels[k]], y[n][part])
            x[n, 0][part] = np.maximum(digit, below)
    return Scenes(x, y)


def data(train: int, test: int) -> tuple[Scenes, Scenes]:
    """Scenes of training and of test digits."""
    found = load()
    return (
        scenes(np.asarray(found.train_x), np.asarray(found.train_y), train, 1),
        scenes(np.asarray(found.test_x), np.asarray(found.test_y), test, 2),
    )


def block(ins: int, outs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions."""
    layers: list[nn.Module] = []
    for a, b in ((ins, outs), (outs, outs)):
        layers += [nn.Conv2d(a, b, 3, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Ronneberger et al. 2015, "U-Net", with padding and fewer channels; [N, 1, H, W] -> [N, CLASSES, H, W].

    Args:
        widths: channels of each level.
        up: how images become larger, one of `UPS`.
        skips: concatenate what the way down had at each size.
    """

    def __init__(self, widths: tuple[int, ...] = (8, 16, 32), up: str = "transposed", skips: bool = True) -> None:
        super().__init__()
        self.skips = skips
        ins = (1, *widths)
        self.down = nn.ModuleList(block(a, b) for a, b in zip(ins, widths, strict=False))
        self.up, self.join = nn.ModuleList(), nn.ModuleList()
        for high, low in zip(widths[-2::-1], widths[:0:-1], strict=True):
            if up == "transposed":
                self.up.append(nn.ConvTranspose2d(low, high, 2, 2))
            else:
                self.up.append(nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(low, high, 3, padding=1)))
            self.join.append(block(high * (2 if skips else 1), high))
        self.last = nn.Conv2d(widths[0], CLASSES, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = []
        for k, level in enumerate(self.down):
            x = level(x if k == 0 else nn.functional.max_pool2d(x, 2))
            kept.append(x)
        for up, join, skip in zip(self.up, self.join, kept[-2::-1], strict=True):
            x = up(x)
            x = join(torch.cat([x, skip], 1) if self.skips else x)
        return self.last(x)
