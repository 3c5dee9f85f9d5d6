# SPDX-License-Identifier: Apache-2.0
"""Bench of share_pool: sums over windows times a public factor, modulo 2**RingWidth."""

import numpy as np
import pytest
from rtl.plan_bench import beats, check_streams

from gatewright.ops._window import image_window


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "factor", "lanes", "width"),
    [((2, 2), (2, 2), (0, 0), 1, 2, 52), ((3, 3), (2, 1), (1, 1), 7282, 1, 64)],
    ids=["halves", "overlapping"],
)
def test_share_pool(
    kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], factor: int, lanes: int, width: int
) -> None:
    rng, channels, height, columns = np.random.default_rng(width), 4, 6, 5
    window = image_window(kernel, stride, padding, (1, 1), height, columns)
    inputs, expected = [], []
    for _ in range(3):
        x = rng.integers(0, 1 << 62, (height * columns, channels), dtype=np.int64).astype(object) * 4 + 1
        # Patches of positions: the window's own indexing, on integers of any size.
        index = window.patches(np.arange(1, height * columns + 1)[:, None])[..., 0]
        padded = np.concatenate([np.zeros((1, channels), object), x])
        y = padded[index].sum(axis=1) * factor
        inputs.append(beats([int(v) % (1 << width) for v in x.reshape(-1)], lanes, width))
        expected.append(beats([int(v) % (1 << width) for v in y.reshape(-1)], lanes, width))
    shape = {k: v for k, v in window.parameters().items() if not k.startswith("Dilation")}
    check_streams(
        "share_pool",
        shape | {"Lanes": lanes, "Chunks": channels // lanes, "RingWidth": width, "Reciprocal": factor},
        {"s": inputs},
        {"m": expected},
    )
