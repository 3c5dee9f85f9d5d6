# SPDX-License-Identifier: Apache-2.0
"""Weights on the hardware's grid: the arithmetic of `fixed`, and compiled integers that are those of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gatewright.compress import quantize, training
from gatewright.errors import DataError, UnsupportedError
from gatewright.fixed import Fixed
from gatewright.frontend.config import QuantConfig
from gatewright.frontend.torch_export import import_model


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    layers = [nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 36, 20), nn.ReLU(), nn.Linear(20, 5)]
    return nn.Sequential(*layers).eval()


def data(count: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(1)
    return torch.rand(count, 1, 8, 8, generator=draw), torch.randint(0, 5, (count,), generator=draw)


MIXED = {"0": 4, "3": [0, 2, 4, 8] * 5, "5": 3}


@given(st.lists(st.floats(-4, 4, width=32), min_size=1, max_size=20), st.integers(1, 16), st.integers(-3, 14))
def test_rounds_as_fixed_does(values: list[float], bits: int, frac: int) -> None:
    """Halves up, saturated; halves are among the values that hypothesis likes."""
    form = Fixed(bits, frac)
    values += [form.ulp / 2, -form.ulp / 2, 1.5 * form.ulp, 99.0, -99.0]
    found = quantize.rounded(torch.tensor(values)[None], bits, torch.tensor([frac]))[0]
    wanted = form.dequantize(form.quantize(np.array(values, np.float32)))
    assert np.array_equal(found.double().numpy(), wanted)


def test_gradient_passes_and_pruned_channels_have_none() -> None:
    weight = torch.randn(4, 6, requires_grad=True)
    made = quantize.Quantized([0, 2, 4, 8], 4).eval()
    made(weight).sum().backward()
    assert weight.grad is not None
    assert torch.equal(weight.grad, torch.tensor([[0.0], [1.0], [1.0], [1.0]]).expand(4, 6))
    assert not made(weight)[0].any() and made(weight)[1].unique().numel() <= 4


@pytest.mark.parametrize("bits", [8, 3, 2])
def test_after_training_equals_calibration(bits: int) -> None:
    """Weights rounded here and compiled are the integers that `QuantConfig` gives the float model."""
    model, (x, _) = small(), data(16)
    config = QuantConfig(weight_bits=bits)
    ours = import_model(quantize.post_training(model, bits), x[:1], x, config=config)
    theirs = import_model(model, x[:1], x, config=config)
    pairs = [(a.op, b.op) for a, b in zip(ours.raw.nodes, theirs.raw.nodes, strict=True) if hasattr(a.op, "weight")]
    assert len(pairs) == 3
    for a, b in pairs:
        assert np.array_equal(a.weight, b.weight)  # type: ignore[attr-defined]


def test_trained_weights_compile_to_the_very_integers() -> None:
    model, (x, y) = quantize.prepare(small(), MIXED), data()
    first = quantize.widths(model)["3"].clone()
    before = model[3].parametrizations["weight"].original.detach().clone()  # type: ignore[index, union-attr]
    training.train(model, x, y, training.Training(3, 16, 1e-2))
    assert not torch.equal(before, model[3].parametrizations["weight"].original)  # type: ignore[index, union-attr]
    done: Any = quantize.finished(model)
    found = import_model(done, x[:1], x, config=quantize.config(MIXED))
    matrices = {n.origin: n for n in found.raw.nodes if hasattr(n.op, "weight")}
    for path, node in matrices.items():
        op: Any = node.op
        assert not found.references[node.name].errors["weight"].any()
        widths = np.broadcast_to(np.asarray(MIXED[path]), len(op.weight))
        form, kind = found.raw.types[node.name].fixed, found.raw.types[node.inputs[0]].fixed
        for row, shift, real, bits in zip(op.weight, op.shift, done[int(path)].weight, widths, strict=True):
            frac = int(shift) + form.frac - kind.frac
            # A stream has another order of inputs behind `Flatten`.
            ours, wanted = np.ldexp(row.astype(float), -frac), real.detach().double().numpy()
            assert np.array_equal(np.sort(ours, axis=None), np.sort(wanted, axis=None))
            # Each channel fits its own width, up to a common power of two.
            assert len(np.unique(row)) <= 2**bits
    assert torch.equal(first, quantize.widths(model)["3"])
    assert np.abs(matrices["3"].op.weight[0::4]).max() == 0  # type: ignore[attr-defined]


def test_checkpoints(tmp_path: Path) -> None:
    model, (x, y) = quantize.prepare(small(), MIXED), data()
    training.train(model, x, y, training.Training(1, 16, 1e-2))
    training.save(tmp_path / "a.npz", model, bits=3)
    other = quantize.prepare(small(1), MIXED).eval()
    assert training.load(tmp_path / "a.npz", other) == {"bits": 3}
    assert torch.equal(other(x), model(x))


def test_config_and_size() -> None:
    base = QuantConfig(activation_bits=9, overrides={"3": {"method": "range"}})
    made = quantize.config(MIXED, base)
    assert [made.at(p).weight_bits for p in ("0", "3", "5", "")] == [4, 8, 3, 8]
    assert made.at("3").method == "range" and made.activation_bits == 9
    assert quantize.mean_bits(small(), {"3": MIXED["3"], "5": 3}) == pytest.approx((4320 * 3.5 + 100 * 3) / 4420)


@pytest.mark.parametrize(
    ("bits", "keep", "error", "text"),
    [
        ({"x*": 4}, (), UnsupportedError, "matches no layer"),
        (4, ("*",), UnsupportedError, "no layer"),
        ({"3": [1, 2]}, (), DataError, "20 channels"),
        (17, (), DataError, "17 bits"),
    ],
)
def test_refusals(bits: Any, keep: tuple[str, ...], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text.replace("*", r"\*")):
        quantize.prepare(small(), bits, keep=keep)
