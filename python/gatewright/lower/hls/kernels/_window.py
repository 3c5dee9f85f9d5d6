# SPDX-License-Identifier: Apache-2.0
"""Parameters of a sliding window, for convolutions and pools."""

from __future__ import annotations

from gatewright.ops._window import Window


def window_shape(window: Window, channels: int, groups: int = 1, fill: int = 0) -> dict[str, int]:
    """Constants of `pad.hpp` and `window.hpp`."""
    rows, columns = window.reach
    padded = window.width + window.padding[1] + window.padding[3]
    needed = rows * padded + columns + 1 if window.width else columns + 1 + window.stride[1]
    sides = dict(zip(("top", "left", "bottom", "right"), window.padding, strict=True))
    axes = {
        f"{name}_{axis}": value
        for name in ("kernel", "stride", "dilation")
        for axis, value in zip("hw", getattr(window, name), strict=True)
    }
    shape = {"channels": channels, "groups": groups, "height": window.height, "width": window.width, "fill": fill}
    return {**shape, **sides, **axes, "slots": 1 << (needed - 1).bit_length()}
