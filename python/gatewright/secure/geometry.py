# SPDX-License-Identifier: Apache-2.0
"""Which inputs and weights an output of a matrix product or convolution sums: one shape for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from gatewright.errors import GraphError
from gatewright.fixed import Ints
from gatewright.ops._window import Window, tap_index


@dataclass(frozen=True)
class Geometry:
    """A bilinear map of an input [tokens, inputs] and a weight array [groups, depth, outputs / groups].

    Attributes:
        tokens, inputs: of the input.
        outputs: channels of an output token.
        groups: channel groups that do not mix; channels are group-major.
        window: what every output token sees of the input; one token each without it.
    """

    tokens: int
    inputs: int
    outputs: int
    groups: int = 1
    window: Window | None = None

    def fits(self, tokens: int, channels: int, most: int) -> bool:
        """Whether this is possible on such an input, with at most `most` elements of windows and weights."""
        if (self.tokens, self.inputs) != (tokens, channels) or min(self.outputs, self.groups) < 1:
            return False
        if self.inputs % self.groups or self.outputs % self.groups:
            return False
        if self.window is not None:
            window = self.window
            sides = (*window.kernel, *window.stride, *window.dilation, *window.padding, window.height, window.width)
            if max(sides) > most:
                return False
            try:
                window.out_tokens("window", tokens)
            except GraphError:
                return False
            rows, columns = window.padded_shape(tokens)
            if rows * columns > most:
                return False
        return max(self.positions * self.depth * self.groups, self.depth * self.outputs) <= most

    @property
    def taps(self) -> int:
        """Input tokens that an output token sums."""
        return self.window.taps if self.window else 1

    @property
    def positions(self) -> int:
        """Output tokens."""
        if self.window is None:
            return self.tokens
        rows, columns = self.window.out_shape(self.tokens)
        return rows * columns

    @property
    def depth(self) -> int:
        """Products that an output sums."""
        return self.taps * self.inputs // self.groups

    @property
    def weight_shape(self) -> tuple[int, int, int]:
        """[groups, depth, outputs / groups]; depth counts taps first, then channels of the group."""
        return self.groups, self.depth, self.outputs // self.groups

    def index(self) -> Ints:
        """[positions, taps] input token; -1 where zero is read."""
        if self.window is None:
            return np.arange(self.tokens)[:, None]
        return tap_index(self.window, self.tokens)

    def patches(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """[queries, tokens, inputs] to [groups, queries * positions, depth]."""
        count = len(x)
        if self.window is not None:
            # The last row, which index -1 reads, is the zero of padding.
            extended = np.zeros((count, self.tokens + 1, self.inputs), x.dtype)
            extended[:, :-1] = x
            x = extended[:, self.index()]
        if self.groups == 1:
            return x.reshape(1, count * self.positions, self.depth)
        apart = x.reshape(count * self.positions, self.taps, self.groups, -1).transpose(2, 0, 1, 3)
        return apart.reshape(self.groups, count * self.positions, self.depth)

    def gathered(self, sums: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
        """[groups, queries * positions, outputs / groups] to [queries, positions, outputs]."""
        return sums.transpose(1, 0, 2).reshape(count, self.positions, self.outputs)
