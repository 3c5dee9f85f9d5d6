# SPDX-License-Identifier: Apache-2.0
"""A small residual network on MNIST: batch-norm, stride 2, shortcuts, global average pooling.

The largest layer has 147,456 products per image: 16 multipliers finish it in 9,216 cycles.
"""

from __future__ import annotations

from typing import Any

from gatewright.examples._base import Trained
from gatewright.examples._mnist import load


def build() -> Any:
    """An untrained residual network: 14 x 14 x 8, 7 x 7 x 16, 4 x 4 x 32."""
    import torch
    from torch import nn

    def unit(ins: int, outs: int, kernel: int, stride: int) -> Any:
        return nn.Sequential(nn.Conv2d(ins, outs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outs))

    class Block(nn.Module):
        def __init__(self, ins: int, outs: int, stride: int) -> None:
            super().__init__()
            self.first, self.second = unit(ins, outs, 3, stride), unit(outs, outs, 3, 1)
            self.shortcut = nn.Identity() if ins == outs else unit(ins, outs, 1, stride)

        def forward(self, x: Any) -> Any:
            inner = self.second(torch.relu(self.first(x)))
            return torch.relu(inner + self.shortcut(x))

    return nn.Sequential(
        unit(1, 8, 3, 2),
        nn.ReLU(),
        Block(8, 8, 1),
        Block(8, 16, 2),
        Block(16, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )


EXAMPLE = Trained(name="mnist_resnet", build=build, load=load, target=10000, epochs=12, batch=128, rate=2e-2, shift=2)
