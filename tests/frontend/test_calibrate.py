# SPDX-License-Identifier: Apache-2.0
"""Choice of formats from data."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from frontend.nets import noise, seeded
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gatewright.errors import CalibrationError
from gatewright.fixed import Fixed
from gatewright.frontend import QuantConfig, calibrate, import_model


def stats(values: np.ndarray) -> calibrate.Stats:
    return calibrate.Stats(float(values.min()), float(values.max()), values.astype(np.float64))


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), st.integers(2, 16))
def test_range_is_the_finest_point_without_saturation(values: list[float], bits: int) -> None:
    x = np.array(values)
    form = calibrate.choose(stats(x), bits, "range")
    assert form.signed == bool(x.min() < 0)
    scaled = np.floor(np.ldexp(x, form.frac) + 0.5)
    assert form.lo <= scaled.min() and scaled.max() <= form.hi
    if x.any():
        finer = np.floor(np.ldexp(x, form.frac + 1) + 0.5)
        assert finer.min() < form.lo or finer.max() > form.hi


def test_mse_clips_an_outlier() -> None:
    x = np.concatenate([np.random.default_rng(0).normal(size=10_000), [40.0]])
    wide, tight = (calibrate.choose(stats(x), 4, m) for m in ("range", "mse"))
    assert tight.frac > wide.frac

    def error(form: Fixed) -> float:
        return float(np.mean((form.dequantize(form.quantize(x)) - x) ** 2))

    assert error(tight) < error(wide)


@pytest.mark.parametrize("bits", range(1, 17))
def test_every_width_works_end_to_end(bits: int) -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)))
    config = QuantConfig(activation_bits=bits, weight_bits=bits)
    found = import_model(model, noise(1, 5), noise(40, 5), config=config)
    assert found.output_type.fixed.width == bits
    assert found.compare(noise(8, 5)).holds


def test_overrides_by_path() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)))
    config = QuantConfig(
        overrides={
            "input": {"activation_bits": 12},
            "0": {"activation_bits": 5, "weight_bits": 3},
            "2": {"per_channel": False},
        }
    )
    found = import_model(model, noise(1, 5), noise(40, 5), config=config)
    first, second = found.graph.nodes
    assert found.input_type.fixed.width == 12
    # The ReLU takes its linear layer's width, and its unsigned format is that of the linear layer.
    assert (first.op.output.width, first.op.output.signed, first.op.weight_width) == (5, False, 3)
    assert len(set(second.op.shift)) == 1


def test_override_of_nothing_is_refused() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(5, 4)))
    with pytest.raises(CalibrationError, match=r"overrides\['fc\*'\]: no module path matches\n  supported: 0, input"):
        import_model(model, noise(1, 5), noise(4, 5), config=QuantConfig(overrides={"fc*": {"weight_bits": 4}}))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"weight_bits": 17}, r"QuantConfig.weight_bits: 17\n  supported: 1 to 16 bits"),
        ({"activation_bits": 0}, r"QuantConfig.activation_bits: 0"),
        ({"method": "max"}, r"QuantConfig.method: 'max'\n  supported: mse or range"),
        ({"overrides": {"a": {"bits": 3}}}, r"QuantConfig.overrides\['a'\]: 'bits'"),
        ({"overrides": {"a": {"weight_bits": 0}}}, r"QuantConfig.weight_bits: 0"),
    ],
)
def test_wrong_choices_are_refused(values: dict[str, object], text: str) -> None:
    with pytest.raises(CalibrationError, match=text):
        QuantConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (torch.zeros(0, 5), r"calibration: no items\n  supported: at least one of shape \[5\] per item"),
        (torch.zeros(3, 6), r"calibration item 0: shape \[6\]\n  supported: \[5\] per item"),
        (torch.full((2, 5), float("nan")), r"calibration item 0: 5 values are NaN or infinite"),
        ([np.zeros(5), np.full(5, np.inf)], r"calibration item 1: 5 values are NaN or infinite"),
    ],
)
def test_wrong_data_are_refused(data: object, text: str) -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(5, 4)))
    with pytest.raises(CalibrationError, match=text):
        import_model(model, noise(1, 5), data)


def test_calibration_is_reproducible() -> None:
    model = seeded(lambda: nn.Sequential(nn.Linear(5, 4), nn.ReLU()))
    texts = {str(import_model(model, noise(1, 5), noise(40, 5)).graph) for _ in range(2)}
    assert len(texts) == 1
