# SPDX-License-Identifier: Apache-2.0
"""Length distributions: from samples and histograms, means, condensing, refusals."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewright.errors import DataError
from gatewright.scheduler.lengths import Lengths


def test_samples_and_histogram_agree() -> None:
    assert Lengths.of([9, 5, 9, 9]) == Lengths.of({"5": 1, 9: 3}) == Lengths((5, 9), (0.25, 0.75))
    assert Lengths.of([9, 5, 9, 9]).mean == 8.0
    assert Lengths.of([2, 4]).expectation([10, 30]) == 20.0
    # Quadratic work: at the mean length is not the mean of the work.
    assert Lengths.of([2, 4]).at_mean([4, 16]) == 10.0


@given(st.dictionaries(st.integers(1, 500), st.integers(1, 50), min_size=1), st.integers(1, 12))
def test_condensed_keeps_the_mean(counts: dict[int, int], most: int) -> None:
    full = Lengths.of(counts)
    few = full.condensed(most)
    assert len(few.values) <= max(most, 1) and abs(few.mean - full.mean) < 1
    assert few == full or len(full.values) > most
    assert Lengths.of(json.loads(json.dumps(full.as_json()))).values == full.values


@pytest.mark.parametrize("bad", [[], {}, [0, 3], {"a": 1}, 7, {5: -1}, [[1], [2]]])
def test_refusals(bad: Any) -> None:
    with pytest.raises(DataError, match="lengths"):
        Lengths.of(bad)


def test_inconsistent_weights() -> None:
    with pytest.raises(DataError, match="sum 0.9"):
        Lengths((1, 2), (0.4, 0.5))
    with pytest.raises(DataError, match="rising"):
        Lengths((2, 1), (0.5, 0.5))
