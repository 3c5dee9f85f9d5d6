# SPDX-License-Identifier: Apache-2.0
"""A run-time value of a model that is walked, and where its dimensions are in the value that was recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Axes = tuple[int | None, ...]


@dataclass(frozen=True, eq=False)
class Tensor:
    """A run-time value.

    What is recorded has its batch dimension in front. ONNX has recurrent layers that see time first; so a Transpose
    that moves the batch, and a dimension of size 1 beside it, are only written down in `axes`, and nothing is recorded.

    Attributes:
        name: of the step that makes it.
        sample: its value for the sample, a torch tensor, as recorded.
        form: (scale, zero point, low, high) while it stands for integers between QuantizeLinear and DequantizeLinear.
        axes: for each dimension of the ONNX tensor the recorded one, None for one of size 1 that was not recorded.
            Every recorded dimension is among them. None where both are the same.
    """

    name: str
    sample: Any
    form: tuple[float, int, int, int] | None = None
    axes: Axes | None = None

    @property
    def order(self) -> Axes:
        """`axes`, spelled out."""
        return tuple(range(self.sample.ndim)) if self.axes is None else self.axes

    @property
    def batch(self) -> int:
        """The dimension of the ONNX tensor that is the batch."""
        return self.order.index(0)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the ONNX tensor for the sample."""
        return tuple(1 if a is None else int(self.sample.shape[a]) for a in self.order)

    @property
    def channels_last(self) -> bool:
        """Whether the last dimension is recorded as the last."""
        return self.order[-1] == self.sample.ndim - 1

    @property
    def plain(self) -> Tensor:
        """The value as it was recorded."""
        return dataclasses.replace(self, axes=None)

    def turned(self, axes: Sequence[int | None]) -> Tensor:
        """The same recorded value as another ONNX tensor."""
        same = list(axes) == list(range(self.sample.ndim))
        return dataclasses.replace(self, axes=None if same else tuple(axes))

    def regrouped(self, shape: Sequence[int]) -> Tensor | None:
        """The tensor with dimensions of size 1 inserted and removed; None if `shape` asks for anything else.

        A recorded dimension of size 1, such as the batch, stays between the same larger ones.
        """
        wide = [a for n, a in zip(self.shape, self.order, strict=True) if n != 1]
        if [n for n in self.shape if n != 1] != [n for n in shape if n != 1]:
            return None
        ones: list[list[int | None]] = [[] for _ in range(len(wide) + 1)]
        place = 0
        for n, axis in zip(self.shape, self.order, strict=True):
            place += n != 1
            if n == 1 and axis is not None:
                ones[place].append(axis)
        found: list[int | None] = []
        place = 0
        for n in shape:
            if n != 1:
                if ones[place]:
                    return None
                found.append(wide[place])
                place += 1
            else:
                found.append(ones[place].pop(0) if ones[place] else None)
        return None if ones[place] else self.turned(found)
