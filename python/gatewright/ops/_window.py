# SPDX-License-Identifier: Apache-2.0
"""Sliding windows over images and sequences: sizes, which token each tap reads, timing, resources."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import Ints
from gatewright.graph import Cost, Length, Stage, Tokens, least_tokens, most_tokens

PAD_LATENCY = 1
"""Cycles from a beat entering `patches` to its entering the window: the register slice."""
CIRCULAR_LATENCY = 2
"""Further cycles from a sequence's final beat to the first padded one: bank switch and memory read."""
WRAP_LATENCY = 1
"""Cycles from a beat entering `stream_wrap` to its leaving, and from the final one to the first that is repeated."""
WINDOW_LATENCY = 2
"""Cycles from a beat entering `window` to the position it completes leaving it."""
MEMORY_DEPTH = 4
"""Delay lines from this depth on are memories (`delay_taps`)."""
SMALL_MEMORY = 72
"""Look-up tables up to which a memory of more than 64 words stays out of block RAM."""
FINE_BEATS = 1 << 16
"""Up to so many beats per sequence, timing tells single beats apart."""


@dataclass(frozen=True)
class Window:
    """A kernel that moves over a raster of tokens; a sequence is one row of unknown length.

    Attributes:
        kernel, stride, dilation: (rows, columns).
        padding: tokens added (top, left, bottom, right).
        circular: the added tokens continue the image periodically instead of being constant.
        height: rows of the image; 1 for a sequence.
        width: tokens per row; 0 for a sequence, whose length is known at run time only.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    dilation: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    circular: bool = False
    height: int = 1
    width: int = 0

    @property
    def taps(self) -> int:
        """Kernel positions."""
        return self.kernel[0] * self.kernel[1]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from the first tap to the last."""
        return (self.kernel[0] - 1) * self.dilation[0], (self.kernel[1] - 1) * self.dilation[1]

    @property
    def padded(self) -> bool:
        """True when any token is added."""
        return any(self.padding)

    @property
    def wraps(self) -> bool:
        """True for a sequence that goes on with its own first tokens: they alone are kept, instead of all of them."""
        return self.circular and not self.width and self.padding[1] == 0 and self.padded

    def shape(self, tokens: int) -> tuple[int, int]:
        """(rows, columns) of an input of `tokens` tokens."""
        return (self.height, self.width) if self.width else (1, tokens)

    def padded_shape(self, tokens: int) -> tuple[int, int]:
        """(rows, columns) after padding."""
        rows, columns = self.shape(tokens)
        top, left, bottom, right = self.padding
        return rows + top + bottom, columns + left + right

    def out_shape(self, tokens: int) -> tuple[int, int]:
        """(rows, columns) of positions."""
        rows, columns = self.padded_shape(tokens)
        return ((rows - self.reach[0] - 1) // self.stride[0] + 1, (columns - self.reach[1] - 1) // self.stride[1] + 1)

    def out_tokens(self, place: str, tokens: Tokens) -> Tokens:
        """Number of positions over `tokens` input tokens.

        Args:
            place: operator name, for messages.

        Raises:
            GraphError: the geometry is impossible or does not fit the input.
        """
        self._check(place)
        _, left, _, right = self.padding
        step = self.stride[1]
        if not self.width:
            if isinstance(tokens, Length):
                self._check_circular(place, 1, tokens.least)
                return tokens.then(left + right - self.reach[1] - 1 + step, step)
        elif tokens != self.height * self.width:
            raise GraphError(
                f"{place}.height, width",
                f"{self.height} x {self.width} on {tokens} tokens",
                "height * width = tokens, in raster order",
            )
        self._check_circular(place, *self.shape(tokens))
        rows, columns = self.out_shape(tokens)
        if rows < 1 or columns < 1:
            raise GraphError(
                f"{place}.kernel",
                f"{self.kernel} with dilation {self.dilation} is larger than "
                f"the padded input {self.padded_shape(tokens)}",
                "a kernel that fits",
            )
        return rows * columns

    def _check(self, place: str) -> None:
        for name in ("kernel", "stride", "dilation"):
            if min(getattr(self, name)) < 1:
                raise GraphError(f"{place}.{name}", f"{getattr(self, name)}", "1 and up")
        if min(self.padding) < 0:
            raise GraphError(f"{place}.padding", f"{self.padding}", "0 and up")
        if self.height < 1 or self.width < 0:
            raise GraphError(f"{place}.height, width", f"{self.height} x {self.width}", "1 and up")

    def _check_circular(self, place: str, rows: int, columns: int) -> None:
        top, left, bottom, right = self.padding
        if self.circular and not self.wraps and (max(top, bottom) > rows or max(left, right) > columns):
            raise GraphError(
                f"{place}.padding",
                f"{self.padding} circular on {rows} x {columns} tokens",
                "at most once round the image",
            )

    def check_covered(self, place: str, tokens: Tokens) -> None:
        """Raise GraphError when a position holds constant padding only."""
        least, most = least_tokens(tokens), most_tokens(tokens)
        # From one reach and padding on, a longer sequence repeats the same positions every stride.
        enough = least + self.reach[1] + max(self.padding) + self.stride[1]
        for count in range(least, min(most, enough) + 1):
            if np.any(tap_index(self, count).max(axis=1) < 0):
                problem = f"{self.padding}: a window on {count} tokens holds none of them"
                raise GraphError(f"{place}.padding", problem, "less padding, about half the kernel")

    def patches(self, x: Ints, fill: int = 0) -> Ints:
        """[tokens, channels] -> [positions, taps, channels]; constant padding reads `fill`."""
        extended = np.concatenate([x, np.full((1, x.shape[1]), fill, np.int64)])
        return extended[tap_index(self, len(x))]

    def parts(self, tokens: int, chunks: int) -> int:
        """Parts per token that `stages` tells apart: beats, but for images so large that it would be slow."""
        return chunks if np.prod(self.padded_shape(tokens)) * chunks <= FINE_BEATS else 1

    def stages(self, tokens: int, chunks: int, most: int) -> list[Stage]:
        """Timing of `patches`, for one sequence of at most `most` tokens: padding, then window.

        The second stage puts out `parts` parts per position.
        """
        parts = self.parts(tokens, chunks)
        first = self._pad_stage(tokens, chunks, parts, most)
        return [first, self._window_stage(tokens, chunks // parts, parts)]

    def _pad_stage(self, tokens: int, chunks: int, parts: int, most: int) -> Stage:
        rows, columns = self.padded_shape(tokens)
        interval = chunks // parts
        if self.circular and self.padded and not self.wraps:
            need = np.full(rows * columns * parts, tokens - 1)
            # Two banks: the next sequence comes in while this one goes out.
            return Stage(need, interval, PAD_LATENCY + CIRCULAR_LATENCY + interval - 1, chunks, most)
        # An added token follows the real one before it in raster order; the first ones wait for token 0.
        inside = (source_index(self, tokens) >= 0).reshape(-1)
        need = np.repeat(np.clip(np.cumsum(inside) - 1, 0, tokens - 1), parts)
        latency = PAD_LATENCY + (WRAP_LATENCY if self.wraps else 0)
        # A token's first part leaves before its final beat has come.
        return Stage(need, interval, latency - (parts - 1) * interval, chunks)

    def _window_stage(self, tokens: int, interval: int, parts: int) -> Stage:
        _, columns = self.padded_shape(tokens)
        out_rows, out_columns = self.out_shape(tokens)
        row = np.arange(out_rows) * self.stride[0] + self.reach[0]
        column = np.arange(out_columns) * self.stride[1] + self.reach[1]
        first = (row[:, None] * columns + column).reshape(-1, 1) * parts + np.arange(parts)
        if not self.width:
            # The length is unknown: a final beat leaves when the last beat before the next position has come.
            first[:, -1] = np.minimum(first[:, -1] + (self.stride[1] - 1) * parts, columns * parts - 1)
        return Stage(first.reshape(-1), interval, WINDOW_LATENCY, interval)

    def parameters(self) -> dict[str, int]:
        """SystemVerilog parameters of an image window."""
        return {
            "Height": self.height,
            "Width": self.width,
            "KernelH": self.kernel[0],
            "KernelW": self.kernel[1],
            "StrideH": self.stride[0],
            "StrideW": self.stride[1],
            "DilationH": self.dilation[0],
            "DilationW": self.dilation[1],
            **dict(zip(("Top", "Left", "Bottom", "Right"), self.padding, strict=True)),
        }

    def cost(self, channels: int, lanes: int, bits: int, tokens: Tokens) -> Cost:
        """Analytic resources of `patches`: memories, tap registers, counters."""
        beat, chunks = lanes * bits, channels // lanes
        total = Cost(lut=beat + (40 if self.width else 15), ff=2 * beat + 25)
        if self.padded:
            total += Cost(lut=beat / 2 + 8, ff=10)
        if self.wraps:
            total += wrap_cost(beat, self.padding[3] * chunks)
        elif self.circular and self.padded:
            total += memory_cost(beat, 2 * most_tokens(tokens) * chunks) + Cost(lut=60, ff=40)
        row = (self.width + self.padding[1] + self.padding[3]) * chunks
        total += delay_cost(beat, self.kernel[0], self.dilation[0] * row)
        total += delay_cost(beat * self.kernel[0], self.kernel[1], self.dilation[1] * chunks)
        if not self.width and self.stride[1] > 1:
            total += Cost(lut=self.taps * beat, ff=self.taps * beat)
        return total


def sequence_window(
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    circular: bool = False,
) -> Window:
    """A window over a sequence: one number each; `padding` is (both,) or (left, right)."""
    left, right = padding[0], padding[-1]
    return Window((1, kernel[0]), (1, stride[0]), (1, dilation[0]), (0, left, 0, right), circular)


def image_window(
    kernel: tuple[int, ...],
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    height: int,
    width: int,
    circular: bool = False,
) -> Window:
    """A window over an image: (rows, columns) each; `padding` may also be (top, left, bottom, right)."""
    top, left, bottom, right = padding if len(padding) == 4 else padding * 2
    return Window(
        (kernel[0], kernel[1]),
        (stride[0], stride[1]),
        (dilation[0], dilation[1]),
        (top, left, bottom, right),
        circular,
        height,
        width,
    )


def check_ranks(place: str, image: bool, **attributes: tuple[int, ...]) -> None:
    """Raise GraphError unless every attribute has one number per axis; padding may have two.

    Args:
        image: two axes; else one.
    """
    rank = 2 if image else 1
    for name, value in attributes.items():
        allowed = (rank, 2 * rank) if name == "padding" else (rank,)
        if len(value) not in allowed:
            raise GraphError(f"{place}.{name}", f"{value}", " or ".join(f"{n} numbers" for n in allowed))


def sample_window(
    rng: np.random.Generator, tokens: Tokens, image: bool | None = None, dilated: bool = True
) -> tuple[dict[str, Any], tuple[int | None, int | None]]:
    """Random kernel, stride, padding and dilation, and (height, width), which is (None, None) for a sequence.

    Args:
        image: two axes, which needs an int `tokens`; either when None.
    """
    if image is None:
        image = isinstance(tokens, int) and bool(rng.random() < 0.7)
    axes = 2 if image else 1

    def draw(low: int, high: int, count: int = axes) -> tuple[int, ...]:
        return tuple(int(v) for v in rng.integers(low, high + 1, count))

    window = {"kernel": draw(1, 4), "stride": draw(1, 3)}
    window["padding"] = draw(0, 2, axes * int(rng.integers(1, 3)))
    if dilated:
        window["dilation"] = draw(1, 2) if rng.random() < 0.4 else (1,) * axes
    if not image:
        return window, (None, None)
    assert isinstance(tokens, int)
    height = int(rng.choice([h for h in range(1, tokens + 1) if tokens % h == 0]))
    return window, (height, tokens // height)


@lru_cache(maxsize=64)
def source_index(window: Window, tokens: int) -> Ints:
    """[padded rows, padded columns] input token at each padded place; -1 where it is constant."""
    rows, columns = window.shape(tokens)
    top, left, bottom, right = window.padding
    row, column = np.arange(-top, rows + bottom), np.arange(-left, columns + right)
    index = row[:, None] % rows * columns + column % columns
    if not window.circular:
        inside = ((row >= 0) & (row < rows))[:, None] & ((column >= 0) & (column < columns))
        index = np.where(inside, index, -1)
    return index


@lru_cache(maxsize=64)
def tap_index(window: Window, tokens: int) -> Ints:
    """[positions, taps] input token that each tap reads; -1 where it is constant."""
    source = source_index(window, tokens)
    axes = [
        np.arange(out)[:, None] * stride + np.arange(kernel) * dilation
        for out, stride, kernel, dilation in zip(
            window.out_shape(tokens), window.stride, window.kernel, window.dilation, strict=True
        )
    ]
    row, column = axes
    return source[row[:, None, :, None], column[None, :, None, :]].reshape(-1, window.taps)


def memory_cost(width: int, depth: int, reads: int = 1) -> Cost:
    """A memory of one write and `reads` read ports, in block or look-up-table RAM as Yosys places it."""
    shapes = ((36, 512), (18, 1024), (9, 2048), (4, 4096), (2, 8192), (1, 16384))
    halves = min(np.ceil(width / w) * np.ceil(depth / d) for w, d in shapes)
    small = np.ceil(width / 14) * 8 if depth <= 32 else np.ceil(width / 7) * np.ceil(depth / 64) * 8
    pointers = 2 * float(np.log2(max(2, depth)))
    if depth > 64 and small > SMALL_MEMORY:
        return Cost(lut=pointers, ff=pointers, bram36=float(halves) / 2 * reads)
    return Cost(lut=float(small) * reads + pointers, ff=width + pointers)


def wrap_cost(width: int, depth: int) -> Cost:
    """What follows a sequence with its first `depth` beats (`stream_wrap`)."""
    counters = 3 * float(np.log2(depth + 1)) + 3
    return memory_cost(width, depth) + Cost(lut=width + counters + 6, ff=width + counters)


def delay_cost(width: int, taps: int, depth: int) -> Cost:
    """A tapped delay line (`delay_taps`)."""
    total = Cost(ff=width)
    if taps == 1:
        return total
    older = width * (taps - 1)
    return total + (memory_cost(older, depth) if depth >= MEMORY_DEPTH else Cost(ff=older * depth))
