# SPDX-License-Identifier: Apache-2.0
"""Modules trained with brevitas: power-of-two scales are taken exactly, others refused."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from frontend.nets import noise
from torch import nn

import gatewright as gw
from gatewright.errors import UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend.source import import_any
from gatewright.nn.fake_quantize import RoundHalfUp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import brevitas.nn as qnn
    from brevitas.quant import Int8ActPerTensorFloat, Int8WeightPerChannelFloat, Int32Bias
    from brevitas.quant.fixed_point import (
        Int8ActPerTensorFixedPoint,
        Int8WeightPerChannelFixedPoint,
        Int8WeightPerTensorFixedPoint,
        Uint8ActPerTensorFixedPoint,
    )


class SignedUp(Int8ActPerTensorFixedPoint):
    """Signed activations, halves rounded up."""

    float_to_int_impl = RoundHalfUp


class UnsignedUp(Uint8ActPerTensorFixedPoint):
    """Unsigned activations, halves rounded up."""

    float_to_int_impl = RoundHalfUp


class Net(nn.Module):
    """Convolution, pool, linear layer; all that is passed on is quantized."""

    def __init__(self, signed: Any, unsigned: Any, weight: Any = Int8WeightPerTensorFixedPoint) -> None:
        super().__init__()
        passed = {"return_quant_tensor": True}
        self.entry = qnn.QuantIdentity(act_quant=signed, bit_width=8, **passed)
        self.conv = qnn.QuantConv2d(
            2, 6, 3, padding=1, weight_quant=weight, weight_bit_width=4, bias_quant=Int32Bias, **passed
        )
        self.relu = qnn.QuantReLU(act_quant=unsigned, bit_width=4, **passed)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout(0.1)
        self.again = qnn.QuantConv2d(6, 6, 1, weight_quant=weight, weight_bit_width=4, bias=False)
        self.sum = qnn.QuantEltwiseAdd(signed, signed, **passed)
        self.dense = qnn.QuantLinear(
            6 * 9, 5, bias=True, weight_quant=Int8WeightPerChannelFixedPoint, bias_quant=Int32Bias, output_quant=signed
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.conv(self.entry(x))))
        x = self.drop(self.sum(x, self.again(x)))
        return self.dense(x.flatten(1))


def trained(*args: Any) -> nn.Module:
    """Scales of activations settle while the model trains."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Net(*args)
        best = torch.optim.SGD(model.parameters(), 1e-3)
        for _ in range(10):
            best.zero_grad()
            model(torch.randn(16, 2, 6, 6)).square().mean().backward()
            best.step()
    return model.eval()


def forward(model: nn.Module, x: torch.Tensor) -> Any:
    with torch.no_grad():
        found = model(x)
    return getattr(found, "value", found).numpy()


def test_integers_equal_the_forward_pass_bit_for_bit() -> None:
    model, batch = trained(SignedUp, UnsignedUp), 2 * noise(100, 2, 6, 6)
    found = import_any(model, None, batch)
    assert [n.op.name() for n in found.graph.nodes] == [
        "conv2d",
        "max_pool",
        "conv2d",
        "requantize",
        "add",
        "reshape",
        "linear",
    ]
    golden, want = found.run(batch), forward(model, batch)
    assert len(np.unique(want)) > 30
    assert np.array_equal(golden, want)


def test_formats_are_the_trained_ones() -> None:
    model = trained(SignedUp, UnsignedUp)
    found = import_any(model, None, noise(100, 2, 6, 6))
    first, last = (found.graph.nodes[k].op for k in (0, -1))

    def form(proxy: Any, width: int, signed: bool) -> Fixed:
        return Fixed(width, -int(np.log2(float(proxy.scale()))), signed)

    assert found.input_type.fixed == form(model.entry.act_quant, 8, True)
    assert first.output == form(model.relu.act_quant, 4, False)  # type: ignore[attr-defined]
    assert last.output == form(model.dense.output_quant, 8, True)  # type: ignore[attr-defined]
    weight = model.conv.quant_weight().int().numpy()  # type: ignore[operator, union-attr]
    shifted = first.weight / np.where(weight == 0, 1, weight)  # type: ignore[attr-defined]
    # A finer binary point than the trained one is the same weight.
    assert np.all((first.weight == 0) == (weight == 0))  # type: ignore[attr-defined]
    assert len(np.unique(shifted[weight != 0].reshape(-1))) <= 6


def test_rounding_to_even_differs_at_halves_only() -> None:
    model, batch = trained(Int8ActPerTensorFixedPoint, Uint8ActPerTensorFixedPoint), 2 * noise(100, 2, 6, 6)
    found = import_any(model, None, batch)
    seen = found.compare(batch)
    assert seen.holds
    assert np.array_equal(np.stack(seen.real), forward(model, batch))
    assert np.mean(np.stack(seen.golden) != np.stack(seen.real)) < 0.6


def test_other_scales_are_refused_with_all_layers_named() -> None:
    model, batch = trained(Int8ActPerTensorFloat, UnsignedUp, Int8WeightPerChannelFloat), noise(50, 2, 6, 6)
    with pytest.raises(UnsupportedError) as caught:
        import_any(model, None, batch)
    text = str(caught.value)
    assert "5 layers are not supported" in text and "POWER_OF_TWO" in text
    for name in ("entry (QuantIdentity)", "conv (QuantConv2d)", "again (QuantConv2d)", "sum (QuantEltwiseAdd)"):
        assert name in text
    assert "dense (QuantLinear)" in text
    assert "weight_quant: scale = 0." in text
    found = import_any(model, None, batch, recalibrate=True)
    seen = found.compare(batch)
    assert seen.holds
    assert np.corrcoef(np.stack(seen.golden).reshape(-1), forward(model, batch).reshape(-1))[0, 1] > 0.99


def test_other_layers_and_training_mode_are_refused() -> None:
    model = nn.Sequential(qnn.QuantConvTranspose2d(2, 2, 3)).eval()
    with pytest.raises(UnsupportedError, match=r"0 \(QuantConvTranspose2d\): layer QuantConvTranspose2d"):
        import_any(model, None, noise(2, 2, 6, 6))
    with pytest.raises(UnsupportedError, match="evaluation mode"):
        import_any(trained(SignedUp, UnsignedUp).train(), None, noise(2, 2, 6, 6))


def test_compile_takes_a_brevitas_module() -> None:
    model, batch = trained(SignedUp, UnsignedUp), noise(20, 2, 6, 6)
    design = gw.compile(model, calibration=batch)
    assert np.array_equal(design.run(batch), forward(model, batch))
    assert design.verify(batch[:4], ["qonnx"]).check().mismatches == 0
