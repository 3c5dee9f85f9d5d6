# SPDX-License-Identifier: Apache-2.0
"""Sequences to beats and back, and the place of `last`."""

import numpy as np
import pytest

from gatewright.errors import SimulationError
from gatewright.fixed import Fixed
from gatewright.graph import Length, TensorType
from gatewright.lower.rtl import Port
from gatewright.sim.beats import as_numbers, cut, from_numbers, pack, unpack


@pytest.mark.parametrize("fixed", [Fixed(1, 0), Fixed(7, 2, signed=False), Fixed(13, 0), Fixed(40, 0)])
@pytest.mark.parametrize("lanes", [1, 2, 6])
def test_beats_carry_every_integer(fixed: Fixed, lanes: int) -> None:
    kind = TensorType(Length("n", 9), 6, fixed)
    data = np.random.default_rng(0).integers(fixed.lo, fixed.hi + 1, (5, 6), dtype=np.int64)
    data[0, :2] = fixed.lo, fixed.hi
    beats = pack(data, lanes, kind)
    assert np.array_equal(unpack(beats, lanes, kind), data)
    assert np.array_equal(from_numbers(as_numbers(beats), lanes * fixed.width), beats)


def test_a_misplaced_last_is_an_error() -> None:
    kind = TensorType(Length("n", 9), 2, Fixed(8, 0))
    port, data = Port("m0", "y", kind, 1), np.arange(10).reshape(5, 2)
    beats = pack(data, 1, kind)
    assert [len(s) for s in cut(port, beats, [5, 9], [3, 2])] == [3, 2]
    with pytest.raises(SimulationError, match=r"output y: `last` on beats \[4, 9\]"):
        cut(port, beats, [4, 9], [3, 2])
