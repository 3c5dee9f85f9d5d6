# SPDX-License-Identifier: Apache-2.0
"""Larger images from PyTorch and ONNX: every spelling means what its framework computes, the rest is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from frontend.nets import noise, seeded
from frontend.onnx_models import exported, made, node, onnxruntime
from frontend.test_models import checked
from torch import nn

from gatewright.errors import UnsupportedError
from gatewright.frontend import import_model
from gatewright.frontend.onnx import import_onnx

# kernel, stride, padding, output padding, dilation, groups -> operators
TRANSPOSED: dict[tuple[Any, ...], list[str]] = {
    (2, 2, 0, 0, 1, 1): ["linear", "upsample"],
    (4, 2, 1, 0, 1, 1): ["conv2d", "upsample"],
    (3, 2, 1, 1, 1, 1): ["conv2d", "upsample"],
    (5, 2, 2, 1, 1, 2): ["conv2d", "upsample"],
    (3, 2, 2, 1, 2, 1): ["conv2d", "upsample"],
    (2, 3, 0, 1, 1, 1): ["linear", "upsample"],
    (6, 3, 0, 0, 1, 1): ["conv2d", "upsample"],
    ((2, 4), (2, 1), (0, 1), 0, 1, 1): ["linear", "upsample"],
    (3, 1, 1, 0, 1, 1): ["conv2d"],
}


@pytest.mark.parametrize("numbers", TRANSPOSED, ids=str)
def test_transposed_convolutions(numbers: tuple[Any, ...]) -> None:
    """With batch norm and ReLU behind, which the convolution of the phases absorbs; without bias, too."""
    kernel, stride, padding, extra, dilation, groups = numbers
    model = seeded(
        lambda: nn.Sequential(
            nn.ConvTranspose2d(4, 6, kernel, stride, padding, extra, groups, kernel != 4, dilation),
            nn.BatchNorm2d(6),
            nn.ReLU(),
        )
    )
    found = checked(model, noise(8, 4, 5, 4))
    want = TRANSPOSED[numbers]
    if isinstance(kernel, tuple):
        want = ["conv2d", "upsample"]
    assert [n.op.name() for n in found.graph.nodes] == want
    assert not found.graph.types[found.graph.outputs[0]].fixed.signed


OTHERS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "nearest": (lambda: nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 3, 3)), (2, 4, 5)),
    "nearest exact to a size": (lambda: nn.Sequential(nn.Upsample((8, 15), mode="nearest-exact")), (2, 4, 5)),
    "shuffle": (
        lambda: nn.Sequential(nn.Conv2d(2, 8, 1), nn.ReLU(), nn.PixelShuffle(2), nn.Conv2d(2, 1, 1)),
        (2, 4, 5),
    ),
    "sequence": (lambda: nn.Sequential(nn.Conv1d(3, 4, 3), nn.Upsample(scale_factor=3)), (3, 7)),
    "transposed sequence": (lambda: nn.Sequential(nn.ConvTranspose1d(3, 4, 4, 2, 1), nn.ReLU()), (3, 7)),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_spellings(name: str) -> None:
    build, shape = OTHERS[name]
    assert "upsample" in [n.op.name() for n in checked(seeded(build), noise(8, *shape)).graph.nodes]


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "a broken factor": (nn.Upsample(scale_factor=1.5), r"size = None from \[4, 6\], scale_factor = \[1.5, 1.5\]"),
    "a broken size": (nn.Upsample(size=(9, 6)), r"size = \[9, 6\] from \[4, 6\](.|\n)*whole factors"),
    "bilinear": (nn.Upsample(scale_factor=2, mode="bilinear"), r"0 \(aten.upsample_bilinear2d.vec\): .*not supported"),
    "an odd result": (
        nn.ConvTranspose2d(3, 3, 3, 2, 1),
        r"0 \(aten.conv_transpose2d.input\): rows of the result = 7\n  supported: a multiple of the stride 2",
    ),
    "padding beyond the kernel": (
        nn.ConvTranspose2d(3, 3, 2, 2, 2),
        r"rows: padding = 2\n  supported: less than the",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    layer, message = REFUSED[name]
    with pytest.raises(UnsupportedError, match=message):
        import_model(nn.Sequential(layer).eval(), noise(1, 3, 4, 6), noise(2, 3, 4, 6))


def test_a_run_time_length_is_refused() -> None:
    model = nn.Sequential(nn.Conv1d(3, 4, 1), nn.Upsample(scale_factor=2)).eval()
    with pytest.raises(UnsupportedError, match=r"1 \(aten.upsample_nearest1d.vec\): input = a run-time length"):
        import_model(model, noise(1, 3, 8), noise(2, 3, 8), dynamic={"n": (4, 8)})


def test_what_pytorch_exports_to_onnx() -> None:
    layers = [nn.Conv2d(2, 8, 3, padding=1), nn.Upsample(scale_factor=2), nn.PixelShuffle(2)]
    layers += [nn.ConvTranspose2d(2, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.ReLU()]
    model, batch = exported(seeded(nn.Sequential, *layers), noise(1, 2, 3, 4)), noise(3, 2, 3, 4)
    assert {"Resize", "DepthToSpace", "ConvTranspose"} <= {n.op_type for n in model.graph.node}
    found = import_onnx(model, batch)
    assert [n.op.name() for n in found.graph.nodes] == ["conv2d", "upsample", "upsample", "conv2d", "upsample"]
    seen = found.compare(batch)
    assert seen.holds and np.allclose(np.stack(seen.real), onnxruntime(model, batch.numpy()), atol=1e-5)


WEIGHT = noise(8, 2, 1, 1).numpy()
ONNX: dict[str, tuple[list[Any], dict[str, Any], int]] = {
    "half pixels": (
        [node("Resize", ["x", "", "s"], "y", mode="nearest")], {"s": np.float32([1, 1, 3, 2])}, 17
    ),
    "sizes": (
        [node("Resize", ["x", "", "", "n"], "y", coordinate_transformation_mode="asymmetric", nearest_mode="floor")],
        {"n": np.int64([1, 2, 6, 8])},
        17,
    ),
    "Upsample": ([node("Upsample", ["x", "s"], "y", mode="nearest")], {"s": np.float32([1, 1, 1, 2])}, 9),
    "DCR": (
        [node("Conv", ["x", "w", "b"], "c"), node("DepthToSpace", ["c"], "y", blocksize=2)],
        {"w": WEIGHT, "b": np.arange(8, dtype=np.float32)},
        17,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ONNX)
def test_onnx_spellings(name: str) -> None:
    nodes, constants, opset = ONNX[name]
    model, batch = made(nodes, constants, (1, 2, 3, 4), opset), noise(4, 2, 3, 4)
    seen = import_onnx(model, batch).compare(batch)
    assert seen.holds and np.allclose(np.stack(seen.real), onnxruntime(model, batch.numpy()), atol=1e-5)


ONNX_REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "linear": ([node("Resize", ["x", "", "s"], "y", mode="linear")], {"s": np.float32([1, 1, 2, 2])}, "mode = linear"),
    "corners": (
        [node("Resize", ["x", "", "s"], "y", coordinate_transformation_mode="align_corners")],
        {"s": np.float32([1, 1, 2, 2])},
        "coordinate_transformation_mode = align_corners",
    ),
    "half a pixel": (
        [node("Resize", ["x", "", "s"], "y", coordinate_transformation_mode="asymmetric")],
        {"s": np.float32([1, 1, 2, 2])},
        r"nearest_mode = round_prefer_floor(.|\n)*floor",
    ),
    "a broken scale": ([node("Resize", ["x", "", "s"], "y")], {"s": np.float32([1, 1, 1.5, 2])}, "whole factors"),
    "DCR of an input": ([node("DepthToSpace", ["x"], "y", blocksize=2)], {}, r"mode = DCR(.|\n)*behind a convolution"),
    "other pads": (
        [node("ConvTranspose", ["x", "w"], "y", pads=[0, 0, 1, 1], strides=[2, 2])],
        {"w": noise(4, 2, 3, 3).numpy()},
        r"pads = \[0, 0, 1, 1\](.|\n)*output_padding",
    ),
}


@pytest.mark.parametrize("name", ONNX_REFUSED)
def test_onnx_refusals(name: str) -> None:
    nodes, constants, message = ONNX_REFUSED[name]
    with pytest.raises(UnsupportedError, match=message):
        import_onnx(made(nodes, constants, (1, 4, 3, 4)), noise(2, 4, 3, 4))
