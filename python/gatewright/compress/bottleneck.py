# SPDX-License-Identifier: Apache-2.0
"""A place to cut a network, made narrow: fewer channels, fewer places, eight bits, and a codec.

BottleNet: Eshratifar et al., ISLPED 2019 (arXiv 1902.01000). The device computes up to the reduced feature and sends
it; the server restores it and goes on. In training the values pass the real quantiser and codec, gradients pass by.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from gatewright.errors import DataError, MissingExtraError

Bytes = npt.NDArray[np.uint8]


class Codec(Protocol):
    """How one feature of a sample becomes a message."""

    def encode(self, feature: Bytes) -> bytes:
        """Bytes [channels, H, W] as a message."""
        ...

    def decode(self, message: bytes, shape: tuple[int, ...]) -> Bytes:
        """What the server sees."""
        ...


class Plain:
    """A byte per value."""

    def encode(self, feature: Bytes) -> bytes:
        return feature.tobytes()

    def decode(self, message: bytes, shape: tuple[int, ...]) -> Bytes:
        return np.frombuffer(message, np.uint8).reshape(shape)


@dataclass(frozen=True)
class Jpeg:
    """Channels under one another as a gray image of this quality, 1 to 95, as in the paper.

    Its headers take some 300 bytes, so small features gain nothing.
    """

    quality: int = 20

    def encode(self, feature: Bytes) -> bytes:
        held = io.BytesIO()
        _pillow().fromarray(feature.reshape(-1, feature.shape[-1])).save(held, "JPEG", quality=self.quality)
        return held.getvalue()

    def decode(self, message: bytes, shape: tuple[int, ...]) -> Bytes:
        return np.asarray(_pillow().open(io.BytesIO(message)), np.uint8).reshape(shape)


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError:
        raise MissingExtraError("pillow", "not installed", hint="pip install pillow") from None
    return Image


class Bottleneck(nn.Module):
    """Reduce, send, restore; the result has the shape of the input, [N, channels, H, W].

    Args:
        channels: of the feature where the network is cut.
        width: channels that are sent.
        stride: places are sent at this distance in both directions; H and W are multiples of it.
        codec: what becomes of the bytes on the way.

    Attributes:
        reduce: the device's part, 1 x 1 convolution, convolution of size and stride `stride`, ReLU: it can be lowered.
        restore: the server's part.
        top: largest value that a byte stands for, a power of two; see `calibrate`.
    """

    top: torch.Tensor

    def __init__(self, channels: int, width: int, stride: int = 1, codec: Codec | None = None) -> None:
        super().__init__()
        places = [nn.Conv2d(width, width, stride, stride)] if stride > 1 else []
        self.reduce = nn.Sequential(nn.Conv2d(channels, width, 1), *places, nn.ReLU())
        with torch.no_grad():
            # Features behind a ReLU are not negative; with such weights no channel is dead at the start.
            for parameter in self.reduce.parameters():
                parameter.abs_()
        back = [nn.ConvTranspose2d(width, width, stride, stride)] if stride > 1 else []
        self.restore = nn.Sequential(*back, nn.Conv2d(width, channels, 1), nn.ReLU())
        self.codec: Codec = codec or Plain()
        self.register_buffer("top", torch.tensor(4.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        restored: torch.Tensor = self.restore(_Sent.apply(self.reduce(x), self))
        return restored

    def calibrate(self, x: torch.Tensor) -> None:
        """Choose `top` so that nothing of the feature of these inputs [N, channels, H, W] is cut off.

        Raises:
            DataError: the reduced feature is zero throughout.
        """
        with torch.no_grad():
            most = float(self.reduce(x).max())
        if most <= 0:
            raise DataError("bottleneck", "the reduced feature is zero throughout", "a trained one, or another seed")
        self.top.fill_(2.0 ** np.ceil(np.log2(most)))

    def messages(self, x: torch.Tensor) -> list[bytes]:
        """What is sent for each of the inputs [N, channels, H, W]."""
        with torch.no_grad():
            return [self.codec.encode(feature) for feature in self._bytes(self.reduce(x))]

    def _bytes(self, reduced: torch.Tensor) -> Bytes:
        """Round half up to 256 steps below `top`, as the integers of a compiled network do."""
        steps = torch.floor(reduced * (256 / self.top) + 0.5).clamp(0, 255)
        return steps.detach().numpy().astype(np.uint8)

    def received(self, reduced: torch.Tensor) -> torch.Tensor:
        """The reduced feature as the server sees it."""
        values = self._bytes(reduced)
        shape = values.shape[1:]
        seen = np.stack([self.codec.decode(self.codec.encode(value), shape) for value in values])
        return torch.from_numpy(seen).to(reduced.dtype) * (self.top / 256)


class _Sent(torch.autograd.Function):
    """The message's way: forward as it is, backward as if nothing had happened."""

    @staticmethod
    def forward(_context: Any, reduced: torch.Tensor, unit: Bottleneck) -> torch.Tensor:
        return unit.received(reduced)

    @staticmethod
    def backward(_context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradients[0], None
