# SPDX-License-Identifier: Apache-2.0
"""Small networks that the front end tests share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def seeded(build: Any, *args: Any) -> nn.Module:
    """A module with fixed random weights and batch-norm statistics, in evaluation mode."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model: nn.Module = build(*args)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                if module.track_running_stats:
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.5, 2.0)
                if module.affine:
                    nn.init.normal_(module.weight, 1.0, 0.3)
                    nn.init.normal_(module.bias)
    return model.eval()


def noise(*shape: int) -> torch.Tensor:
    """Fixed normal noise."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


class Apply(nn.Module):
    """A function as a module."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(x)


class Mixed(nn.Module):
    """Circular and same padding, groups, in-place calls, residual, poolings, flatten and concatenation."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular"), nn.BatchNorm2d(4), nn.ReLU(inplace=True)
        )
        self.even = nn.Conv2d(4, 4, 2, padding="same", groups=2, bias=False)
        self.pool = nn.AvgPool2d(2, padding=1)
        self.dense = nn.Linear(4 * 9, 6)
        self.last = nn.Linear(10, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        y = self.even(x)
        y += x
        y = self.pool(nn.functional.max_pool2d(torch.relu_(y), 3, 1))
        wide = nn.functional.dropout(self.dense(y.flatten(1)), training=self.training)
        return self.last(torch.cat([wide, y.mean((2, 3))], 1))


class Block(nn.Module):
    """A layer with a residual stream: `top` selects attention over so many keys, None a plain matrix."""

    def __init__(self, channels: int, inner: int, top: int | None = None) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(channels, channels) for _ in range(3))
        self.out = nn.Linear(channels, channels)
        self.expand, self.contract = nn.Linear(channels, inner), nn.Linear(inner, channels)
        self.drop, self.top = nn.Dropout(0.1), top
        self.register_buffer("limits", torch.tensor([0.8]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.query(x)
        if self.top is not None:
            parts = (y, self.key(x), self.value(x), self.limits, self.limits)
            y = torch.ops.gatewright.topk_attention(*parts, 2, self.top, 2, False)
        x = self.drop(x + self.out(y))
        return x + self.drop(self.contract(nn.functional.gelu(self.expand(x))))


class Blocks(nn.Module):
    """An input layer, blocks whose weights grow, and the mean over tokens; [N, n, 3] -> [N, channels]."""

    def __init__(self, count: int = 3, channels: int = 4, inner: int = 6, top: int | None = None) -> None:
        super().__init__()
        self.first = nn.Linear(3, channels)
        self.layer = nn.ModuleList(Block(channels, inner, top) for _ in range(count))
        with torch.no_grad():
            for k, block in enumerate(self.layer):
                for part in (block.query, block.key, block.value, block.expand):
                    part.weight.mul_(4.0**k)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        for block in self.layer:
            x = block(x)
        return x.mean(1)
