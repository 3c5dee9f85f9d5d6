# SPDX-License-Identifier: Apache-2.0
"""The one arithmetic against a model in Python's unbounded integers and exact fractions."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.errors import FormatError
from gatewright.fixed import Fixed, accumulator, enclosing, on_grid, product_range, requantize, round_shift

formats = st.builds(Fixed, st.integers(1, 20), st.integers(-8, 24), st.booleans())
integers = st.integers(-(1 << 40), (1 << 40) - 1)


def model_round(value: int, shift: int) -> int:
    """Round half up of value * 2**-shift, in exact fractions."""
    return floor(Fraction(value) / Fraction(2) ** shift + Fraction(1, 2)) if shift > 0 else value << -shift


def clamp(value: int, to: Fixed) -> int:
    return max(to.lo, min(to.hi, value))


@given(st.lists(integers, min_size=1, max_size=8), st.integers(-10, 45), formats)
def test_requantize_equals_exact_fractions(values: list[int], shift: int, to: Fixed) -> None:
    got = requantize(np.array(values), shift, to)
    assert got.tolist() == [clamp(model_round(v, shift), to) for v in values]


@given(st.lists(st.tuples(integers, st.integers(-10, 45)), min_size=1, max_size=8))
def test_round_shift_per_channel(pairs: list[tuple[int, int]]) -> None:
    values, shifts = (np.array(p) for p in zip(*pairs, strict=True))
    assert round_shift(values, shifts).tolist() == [model_round(v, s) for v, s in pairs]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8), formats)
def test_quantize_is_nearest_and_saturates(values: list[float], to: Fixed) -> None:
    want = [clamp(floor(Fraction(v) * Fraction(2) ** to.frac + Fraction(1, 2)), to) for v in values]
    assert to.quantize(values).tolist() == want


@given(formats)
def test_quantize_inverts_dequantize(fmt: Fixed) -> None:
    ends = np.array([fmt.lo, fmt.hi, 0])
    assert np.array_equal(fmt.quantize(fmt.dequantize(ends)), ends)


@given(st.integers(-(1 << 30), 1 << 30), st.integers(0, 1 << 30))
def test_enclosing_is_the_narrowest(lo: int, span: int) -> None:
    fmt = enclosing(lo, lo + span, 0)
    assert fmt.lo <= lo and lo + span <= fmt.hi
    if fmt.width > 1:
        narrower = Fixed(fmt.width - 1, 0, fmt.signed)
        assert not (narrower.lo <= lo and lo + span <= narrower.hi)


@given(st.integers(1, 16), st.booleans(), st.integers(1, 16), st.integers(1, 5000))
def test_accumulator_is_exact_and_tight(a: int, signed: bool, b: int, terms: int) -> None:
    x, w = Fixed(a, 3, signed), Fixed(b, 2)
    lo, hi = product_range(x, w)
    acc = accumulator(x, w, terms)
    assert acc.signed and acc.frac == 5 and acc.lo <= terms * lo and terms * hi <= acc.hi
    assert acc.width == 1 or not (acc.lo // 2 <= terms * lo and terms * hi <= acc.hi // 2)


@given(st.integers(1, 12), st.integers(-6, 20), st.data())
def test_on_grid_recovers_exact_weights(width: int, frac: int, data: st.DataObject) -> None:
    fmt = Fixed(width, frac)
    ints = np.array(data.draw(st.lists(st.integers(fmt.lo, fmt.hi), min_size=1, max_size=6)))
    real = fmt.dequantize(ints)
    found = on_grid(real, width)
    assert found is not None and np.array_equal(found.dequantize(found.quantize(real)), real)


def test_on_grid_refuses_a_third() -> None:
    assert on_grid([1 / 3, 0.5], 16) is None


@pytest.mark.parametrize("width", [0, 63])
def test_impossible_width(width: int) -> None:
    with pytest.raises(FormatError, match="1 to 62 bits"):
        Fixed(width, 0)


def test_not_finite() -> None:
    with pytest.raises(FormatError, match="2 values are NaN or infinite"):
        Fixed(8, 0).quantize([1.0, np.nan, np.inf])
