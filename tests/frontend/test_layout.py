# SPDX-License-Identifier: Apache-2.0
"""Layouts against NumPy: whatever torch does to the shape, the stream still says which element is which."""

from __future__ import annotations

import numpy as np
import pytest

from gatewright.frontend import layout
from gatewright.frontend.layout import LayoutError


def held(view: layout.View, shape: tuple[int, ...]) -> np.ndarray:
    """Element numbers in torch order, through the stream of the original tensor."""
    return np.arange(np.prod(shape)).reshape(shape)


def test_image_stream_is_raster_of_pixels() -> None:
    x = held(layout.image(2, 3, 4), (1, 2, 3, 4))
    stream = layout.to_stream(layout.image(2, 3, 4), x)
    assert np.array_equal(stream, x[0].transpose(1, 2, 0).reshape(12, 2))


@pytest.mark.parametrize("shape", [(1, 24), (1, 2, 12), (1, 6, 4), (1, 2, 3, 2, 2), (1, 1, 24), (24,)])
def test_reshape_keeps_elements(shape: tuple[int, ...]) -> None:
    x = np.arange(24).reshape(1, 2, 3, 4)
    view = layout.image(2, 3, 4)
    moved = layout.reshape(view, shape)
    assert moved.shape == shape
    assert np.array_equal(layout.from_stream(moved, layout.to_stream(view, x)), x.reshape(shape))


def test_permute_then_reshape_then_back() -> None:
    x = np.arange(24).reshape(1, 2, 3, 4)
    view = layout.image(2, 3, 4)
    moved = layout.permute(layout.reshape(layout.permute(view, (0, 3, 1, 2)), (1, 8, 3)), (0, 2, 1))
    wanted = x.transpose(0, 3, 1, 2).reshape(1, 8, 3).transpose(0, 2, 1)
    assert np.array_equal(layout.from_stream(moved, layout.to_stream(view, x)), wanted)


def test_flatten_order_maps_stream_channels_to_torch_features() -> None:
    view = layout.flatten(layout.reshape(layout.image(2, 3, 4), (1, 24)))
    order = layout.order(view.dims[1], view.channels)
    assert order is not None
    # Stream channel (h, w, c) is torch feature (c, h, w).
    assert np.array_equal(order, np.arange(24).reshape(2, 3, 4).transpose(1, 2, 0).reshape(-1))


def test_run_time_length() -> None:
    view = layout.permute(layout.sequence(3, None, channels_first=True), (0, 2, 1))
    assert view.shape == (1, None, 3)
    x = np.arange(15).reshape(1, 5, 3)
    assert np.array_equal(layout.from_stream(view, layout.to_stream(view, x)), x)
    with pytest.raises(LayoutError, match="run-time length"):
        layout.reshape(view, (1, 15))


def test_illegal_regrouping() -> None:
    with pytest.raises(LayoutError, match="regroup"):
        layout.reshape(layout.image(2, 3, 5), (1, 4, 8))


def test_normal_form_sees_through_splits_and_names_but_not_through_permutations() -> None:
    image = layout.image(2, 3, 4)
    there_and_back = layout.reshape(layout.reshape(image, (1, 6, 4)), (1, 2, 3, 4))
    assert layout.normal(there_and_back) == layout.normal(layout.image(2, 3, 4))
    swapped = layout.permute(layout.image(2, 4, 3), (0, 1, 3, 2))
    assert swapped.shape == image.shape
    assert layout.normal(swapped) != layout.normal(image)


def test_json_round_trip() -> None:
    view = layout.reshape(layout.permute(layout.image(2, 3, 4), (0, 2, 3, 1)), (1, 24))
    assert layout.normal(layout.from_json(layout.as_json(view))) == layout.normal(view)
