# SPDX-License-Identifier: Apache-2.0
"""Sliding windows: which token a tap reads, as an expression."""

from __future__ import annotations

from typing import Any

from tvm import tirx

from gatewright.lower.tvm.tir import Buffer, Expr
from gatewright.ops._window import Window


def tap(
    window: Window, count: Expr, source: Buffer, position: Expr, at: tuple[int, int], channel: Expr, fill: Any
) -> Expr:
    """What tap `at` (row, column) of a position reads of an input of `count` tokens; `fill` on constant padding."""
    top, left, _, _ = window.padding
    rows, columns = (window.height, window.width) if window.width else (1, count)
    if window.width:
        across = window.out_shape(rows * columns)[1]
        place = tirx.floordiv(position, across), tirx.floormod(position, across)
    else:
        place = 0, position
    row = place[0] * window.stride[0] + at[0] * window.dilation[0] - top
    column = place[1] * window.stride[1] + at[1] * window.dilation[1] - left
    if window.circular:
        row, column = (v % size for v, size in ((row, rows), (column, columns)))
        return source[row * columns + column, channel]
    value = source[row * columns + column, channel]
    if not window.padded:
        return value
    inside = tirx.all(column >= 0, column < columns)
    if window.width:
        inside = tirx.all(inside, row >= 0, row < rows)
    return tirx.if_then_else(inside, value, fill)


def taps(window: Window) -> list[tuple[int, int]]:
    """Rows and columns of the kernel, in raster order."""
    return [(row, column) for row in range(window.kernel[0]) for column in range(window.kernel[1])]
