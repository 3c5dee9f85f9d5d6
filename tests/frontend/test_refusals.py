# SPDX-License-Identifier: Apache-2.0
"""What has no exact lowering is refused by name: module path, attribute, value, what is supported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from frontend.nets import Apply, noise, seeded
from torch import nn
from torch.nn import functional as F

from gatewright.errors import CalibrationError, FormatError, UnsupportedError
from gatewright.frontend import import_model


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * self.calls


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


def image(*layers: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*layers)


def function(call: Callable[[torch.Tensor], Any]) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(nn.Conv2d(2, 2, 1), Apply(call))


REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "unknown layer": (
        image(nn.Conv2d(2, 2, 1), nn.ELU()),
        r"1 \(aten.elu.default\): aten.elu.default is not supported\n"
        r"  supported: .*conv2d.*linear.*relu.*\n  next step: replace this layer",
    ),
    "nested path": (
        image(nn.Sequential(nn.ReLU(), nn.Sequential(nn.ELU()))),
        r"^0\.1\.0 \(aten.elu.default\)",
    ),
    "ceil mode": (
        image(nn.MaxPool2d(2, ceil_mode=True)),
        r"0 \(aten.max_pool2d.default\): ceil_mode = True\n  supported: False",
    ),
    "count_include_pad": (
        image(nn.AvgPool2d(3, padding=1, count_include_pad=False)),
        r"0 \(aten.avg_pool2d.default\): count_include_pad = False\n  supported: True, or no padding",
    ),
    "divisor": (image(nn.AvgPool2d(2, divisor_override=3)), r"divisor_override = 3\n  supported: None"),
    "adaptive size": (image(nn.AdaptiveAvgPool2d(2)), r"output_size = \[2, 2\]\n  supported: 1"),
    "pool indices": (
        function(lambda x: F.max_pool2d(x, 2, return_indices=True)[1]),
        r"1 \(aten.max_pool2d_with_indices.default\): result 1 is used\n  supported: its first result",
    ),
    "reflect padding": (
        image(nn.ReflectionPad2d(1), nn.Conv2d(2, 2, 3)),
        r"0 \(aten.pad.default\): mode = 'reflect'\n  supported: 'constant' with value 0, or 'circular'",
    ),
    "padding with a value": (image(nn.ConstantPad2d(1, 0.5), nn.Conv2d(2, 2, 3)), r"value = 0.5"),
    "padding before a pool": (
        image(nn.ZeroPad2d(1), nn.MaxPool2d(2)),
        r"1 \(aten.max_pool2d.default\): input = padded by aten.pad\n"
        r"  supported: padding directly before a convolution",
    ),
    "cropping": (image(nn.ZeroPad2d(-1), nn.Conv2d(2, 2, 1)), r"pad = \[-1, -1, -1, -1\]"),
    "add a constant": (
        function(lambda x: x + 1.0),
        r"1 \(aten.add.Tensor\): other = 1 run-time tensors\n  supported: the sum of two activations",
    ),
    "scaled add": (function(lambda x: torch.add(x, x, alpha=2)), r"alpha = 2\n  supported: 1"),
    "transposed image": (
        image(Apply(lambda x: x.transpose(2, 3)), nn.Conv2d(2, 2, 3)),
        r"1 \(aten.conv2d.default\): input = a permuted tensor of shape \[1, 2, 6, 6\]\n"
        r"  supported: an image \[N, C, H, W\]",
    ),
    "linear over columns": (
        image(nn.Linear(6, 3)),
        r"0 \(aten.linear.default\): input = the last dimension of shape "
        r"\[1, 2, 6, 6\] is not the channels",
    ),
    "add of different layouts": (
        function(lambda x: x.flatten(1) + x.permute(0, 2, 3, 1).flatten(1)),
        r"layouts of \[1, 72\] and \[1, 72\] that differ",
    ),
    "concatenation of pixels": (
        function(lambda x: torch.cat([x, x], 2)),
        r"dim = 2\n  supported: the channel dimension",
    ),
    "fake-quantize scale": (
        function(lambda x: torch.fake_quantize_per_tensor_affine(x, 0.3, 0, -128, 127)),
        r"scale = 0.3\n  supported: a power of two\n  next step: train with scales rounded",
    ),
    "fake-quantize zero point": (
        function(lambda x: torch.fake_quantize_per_tensor_affine(x, 0.25, 5, 0, 255)),
        r"zero_point = 5\n  supported: zero_point = 0",
    ),
    "fake-quantize range": (
        function(lambda x: torch.fake_quantize_per_tensor_affine(x, 0.25, 0, -127, 127)),
        r"quant_min = -127, quant_max = 127\n  supported: 0 to 2\*\*bits - 1",
    ),
    "mean over channels": (
        function(lambda x: x.mean(1)),
        r"1 \(aten.mean.dim\): input = what is not reduced",
    ),
    "mutated buffer": (
        image(nn.Conv2d(2, 2, 3), Counting()),
        r"^1\.calls: in-place mutation of a buffer or an input",
    ),
    "no layer": (nn.Flatten, r"model: no operator between input and output"),
    "control flow": (image(Branching()), r"model: torch.export failed"),
    "two outputs": (
        function(lambda x: (x, x)),
        r"model: 1 inputs and 2 outputs\n  supported: one tensor in, one",
    ),
    "batch statistics": (image(nn.BatchNorm2d(2, track_running_stats=False)), r"training = batch statistics"),
    "batch dimension": (
        function(lambda x: x.flatten()),
        r"output: shape \[72\]\n  supported: a batch dimension first",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    build, text = REFUSED[name]
    with pytest.raises(UnsupportedError, match=text):
        import_model(seeded(build), noise(1, 2, 6, 6), noise(3, 2, 6, 6))


def test_training_mode_is_refused() -> None:
    with pytest.raises(
        UnsupportedError,
        match=r"model: training = True\n  supported: evaluation mode\n  next step: "
        r"call model.eval\(\) first",
    ):
        import_model(nn.Linear(3, 2), noise(1, 3), noise(3, 3))


def test_dropout_that_is_always_on_is_refused() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 2), Apply(lambda x: F.dropout(x, 0.5))))
    with pytest.raises(UnsupportedError, match=r"1 \(aten.dropout.default\): train = True"):
        import_model(model, noise(1, 3), noise(3, 3))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value: float) -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)))
    with torch.no_grad():
        model[1].weight[0, 1] = value
    with pytest.raises(FormatError, match=r"1.weight: 1 of 4 values are NaN or infinite\n  supported: finite weights"):
        import_model(model, noise(1, 3), noise(3, 3))


def test_overflow_on_calibration_data_is_refused() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(3, 2)))
    with torch.no_grad():
        model[0].weight.fill_(3e38)
    with pytest.raises(CalibrationError, match=r"0 \(aten.linear.default\): the result is NaN or infinite"):
        import_model(model, noise(1, 3), 100 + noise(3, 3))


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((3,), r"example: shape \[3\]\n  supported: a batch \[N, ...\] with N >= 1"),
        ((0, 3), r"example: shape \[0, 3\]"),
    ],
)
def test_examples_without_an_item_are_refused(shape: tuple[int, ...], text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        import_model(seeded(lambda: nn.Linear(3, 2)), noise(*shape), noise(3, 3))


def test_input_of_too_many_dimensions_is_refused() -> None:
    with pytest.raises(
        UnsupportedError, match=r"input: shape \[1, 2, 2, 2, 3\]\n  supported: \[N, F\], \[N, C, H, W\]"
    ):
        import_model(seeded(lambda: nn.Linear(3, 2)), noise(1, 2, 2, 2, 3), noise(3, 2, 2, 2, 3))


def test_flatten_of_a_run_time_length_is_refused() -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv1d(2, 2, 3), nn.Flatten(), nn.ReLU()))
    text = r"1 \(aten.flatten.using_ints\): cannot merge or split the run-time length"
    with pytest.raises(UnsupportedError, match=text):
        import_model(model, noise(1, 2, 8), noise(3, 2, 8), dynamic={"n": (4, 20)})


def test_model_that_fixes_the_length_is_refused() -> None:
    model = seeded(lambda: nn.Sequential(nn.Conv1d(2, 2, 3), Apply(lambda x: x + torch.ones(1, 2, 6))))
    with pytest.raises(UnsupportedError, match=r"dynamic: n: the model works only at length 8"):
        import_model(model, noise(1, 2, 8), noise(3, 2, 8), dynamic={"n": (4, 20)})


def test_run_time_length_of_an_image_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"dynamic: n for an input of shape \[1, 2, 6, 6\]"):
        import_model(seeded(lambda: nn.Conv2d(2, 2, 1)), noise(1, 2, 6, 6), noise(3, 2, 6, 6), dynamic={"n": (1, 9)})


class Attention(nn.Module):
    """Dense attention, written in different ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.q, self.k = how, nn.Linear(4, 4), nn.Linear(4, 4)
        self.multi = nn.MultiheadAttention(4, 2, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k = self.q(x), self.k(x)
        if self.how == "product":
            return torch.softmax(q @ k.transpose(1, 2), -1) @ x
        if self.how == "one call":
            return F.scaled_dot_product_attention(q, k, x)
        return self.multi(q, k, x, need_weights=self.how == "module with weights")[0]


@pytest.mark.parametrize("how", ["product", "one call", "module", "module with weights"])
def test_dense_attention_is_refused_with_the_way_out(how: str) -> None:
    text = (
        r"aten\.\w*(matmul|scaled_dot_product_attention|bmm)\.default is not supported\n"
        r"  supported: attention as one call, gatewright.nn.TopKAttention\n"
        r"  next step: convert the model with gatewright.nn.sparsify before importing it"
    )
    with pytest.raises(UnsupportedError, match=text):
        import_model(seeded(Attention, how), noise(1, 5, 4), noise(3, 5, 4))


@pytest.mark.parametrize("first", [True, False])
def test_encoder_layers_are_refused_with_the_way_out(first: bool) -> None:
    model = seeded(lambda: nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, norm_first=first))
    with pytest.raises(
        UnsupportedError, match=r"self_attn .*\n.*\n  next step: convert the model with gatewright.nn.sparsify"
    ):
        import_model(model, noise(1, 5, 4), noise(3, 5, 4), dynamic={"n": (1, 9)})
