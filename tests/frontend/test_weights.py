# SPDX-License-Identifier: Apache-2.0
"""Binary points of weights, biases and polynomials."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.errors import UnsupportedError
from gatewright.fixed import Fixed, on_grid
from gatewright.frontend import QuantConfig, calibrate, weights

X, Y = Fixed(8, 5), Fixed(8, 4)


def real(ints: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Real weights of the integers."""
    frac = shift + Y.frac - X.frac
    return np.ldexp(ints.astype(float), -frac[:, None])


@given(st.integers(2, 16), st.booleans(), st.integers(0, 2**32 - 1))
def test_error_is_at_most_half_a_step_with_range(bits: int, per_channel: bool, seed: int) -> None:
    w = np.random.default_rng(seed).normal(size=(3, 7)) * [[1.0], [0.01], [30.0]]
    config = QuantConfig(weight_bits=bits, per_channel=per_channel, method="range")
    ints, _, shift, width = weights.matrix(w, np.zeros(3), X, Y, config, "layer")
    assert width <= bits and Fixed(width, 0).contains(ints)
    steps = 2.0 ** -(shift + Y.frac - X.frac)
    assert np.all(np.abs(real(ints, shift) - w) <= steps[:, None] / 2)
    if not per_channel:
        assert len(set(shift)) == 1


@given(st.integers(1, 16), st.integers(-6, 12), st.integers(0, 2**32 - 1), st.booleans())
def test_weights_on_a_grid_are_exact(bits: int, frac: int, seed: int, per_channel: bool) -> None:
    draw = np.random.default_rng(seed)
    form = Fixed(bits, frac)
    grid = draw.integers(form.lo, form.hi + 1, (4, 5))
    w = form.dequantize(grid)
    config = QuantConfig(weight_bits=bits, per_channel=per_channel)
    ints, _, shift, width = weights.matrix(w, draw.normal(size=4), X, Y, config, "layer")
    assert width <= bits
    assert np.array_equal(real(ints, shift), w)


def test_bias_lies_at_the_accumulator_point() -> None:
    w, b = np.array([[0.5, -0.25]]), np.array([0.7])
    ints, bias, shift, _ = weights.matrix(w, b, X, Y, QuantConfig(), "layer")
    frac = shift[0] + Y.frac
    assert abs(bias[0] * 2.0**-frac - 0.7) <= 2.0**-frac / 2
    # Finer than the result, though the weights alone would need only two fractional bits.
    assert frac >= Y.frac + 2


def test_empty_and_tiny_channels() -> None:
    w = np.array([[0.3, -0.2], [0.0, 0.0], [1e-30, -1e-31]])
    ints, bias, shift, _ = weights.matrix(w, np.array([0.1, 1.25, -2.0]), X, Y, QuantConfig(), "layer")
    assert not ints[1].any()
    offsets = bias * 2.0 ** -(shift + Y.frac).astype(float)
    assert np.allclose(offsets, [0.1, 1.25, -2.0], atol=2.0**-7)
    assert shift.max() < 40


def test_bias_beyond_the_accumulator_is_refused() -> None:
    with pytest.raises(UnsupportedError, match=r"head: bias = 1e\+30, beyond a 62-bit accumulator"):
        weights.matrix(np.array([[0.3]]), np.array([1e30]), X, Y, QuantConfig(), "head")


def test_mse_is_never_worse_than_range() -> None:
    w = np.random.default_rng(3).standard_t(3, size=(8, 200))
    errors = []
    for method in ("range", "mse"):
        ints, _, shift, _ = weights.matrix(w, np.zeros(8), X, Y, QuantConfig(weight_bits=4, method=method), "")
        errors.append(np.mean((real(ints, shift) - w) ** 2))
    assert errors[1] < errors[0]


@pytest.mark.parametrize(("a", "b", "c"), [(0.25, 1.0, 0.5), (0.0, 0.5, 0.25), (0.0, 0.0, 0.75)])
def test_polynomial_on_a_grid_is_exact(a: float, b: float, c: float) -> None:
    ints = weights.polynomial(np.array([a]), np.array([b]), np.array([c]), X, 8, "mse")
    frac = ints[3]
    assert [v[0] * 2.0**-f for v, f in zip(ints[:3], (frac, frac + X.frac, frac + 2 * X.frac), strict=True)] == [
        a,
        b,
        c,
    ]


def draws(seed: int) -> np.ndarray:
    """Rows of very different sizes: normal ones, some on grids, a power of two, zeros."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(6, int(draw.integers(1, 40)))) * 2.0 ** draw.integers(-30, 9, (6, 1))
    rows[1] = np.ldexp(draw.integers(-8, 8, rows.shape[1]).astype(float), int(draw.integers(-9, 4)))
    rows[2] = -(2.0 ** draw.integers(-5, 5))
    rows[3] = 0
    return rows


@given(st.integers(1, 16), st.sampled_from(["mse", "range"]), st.integers(0, 2**32 - 1))
def test_all_channels_at_once_choose_as_one_by_one(bits: int, method: str, seed: int) -> None:
    rows = draws(seed)
    alone = [
        calibrate.choose(calibrate.Stats(float(r.min()), float(r.max()), r), bits, method, signed=True).frac
        for r in rows
    ]
    assert calibrate.weight_fracs(rows, bits, method).tolist() == alone
    for row, may in zip(rows, weights._maybe_on_grid(rows, bits), strict=True):
        assert may or on_grid(row, bits) is None


def test_choice_of_8_bits_is_the_one_it_always_was() -> None:
    draw = np.random.default_rng(8)
    rows = draw.standard_t(4, (64, 96)) * 2.0 ** draw.normal(size=(64, 1))
    found = weights.matrix(rows, draw.normal(size=64), X, Y, QuantConfig(), "layer")
    digest = hashlib.sha256(b"".join(np.asarray(f, "<i8").tobytes() for f in found)).hexdigest()
    assert digest[:16] == "faf84334c3983bbe"
