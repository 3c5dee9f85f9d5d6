# SPDX-License-Identifier: Apache-2.0
"""Piecewise-linear tables: the fit is as good as any, its error is the true one, the hardware's rows are the table."""

import time

import numpy as np
import pytest

from gatewright.errors import GraphError
from gatewright.fixed import Fixed
from gatewright.ops._functions import FUNCTIONS, Kind
from gatewright.ops._piecewise import Table, fit, fit_uniform, integers, targets
from gatewright.ops._piecewise_rtl import pack, spell

GELU = FUNCTIONS[Kind.GELU].value


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize(("bits", "segments"), [(1, 1), (5, 3), (8, 16), (10, 32), (12, 8)])
def test_error_is_the_largest_over_all_inputs(kind: Kind, bits: int, segments: int) -> None:
    x, output = Fixed(bits, bits - 4), Fixed(9, 5)
    table = fit(FUNCTIONS[kind].value, x, output, segments)
    ideal = np.clip(np.ldexp(FUNCTIONS[kind].value(x.dequantize(integers(x))), 5), -256, 255)
    assert table.segments <= segments
    assert table.error == np.abs(table.evaluate(integers(x), output) - ideal).max() >= 0
    table.widths(x)


def best_error(x: Fixed, output: Fixed, segments: int, shift: int) -> float:
    """Smallest largest error of any table, by trying every slope for every segment: dynamic programming."""
    target, inputs = targets(GELU, x, output), integers(x)
    count, limit = len(inputs), 3 << shift

    def cost(start: int, end: int) -> float:
        best = np.inf
        for slope in range(-limit, limit + 1):
            base = np.ldexp(target[start:end], shift) - slope * inputs[start:end]
            for offset in {int(np.floor(v)) + d for v in (base.min(), base.max(), base.mean()) for d in range(-9, 10)}:
                line = (slope * inputs[start:end] + offset + ((1 << shift) >> 1)) >> shift
                best = min(best, float(np.abs(np.clip(line, output.lo, output.hi) - target[start:end]).max()))
        return best

    table = np.array([[cost(s, e) if s < e else np.inf for e in range(count + 1)] for s in range(count)])
    reach = table[0]
    for _ in range(segments - 1):
        reach = np.array(
            [min([reach[e], *(max(reach[s], table[s, e]) for s in range(1, e))]) for e in range(count + 1)]
        )
    return float(reach[count])


@pytest.mark.parametrize("segments", [1, 2, 3])
def test_no_other_table_is_better(segments: int) -> None:
    """Against exhaustive search with the same shift, on a format small enough for it."""
    x, output = Fixed(4, 1), Fixed(6, 3)
    table = fit(GELU, x, output, segments, precision=6)
    assert table.error <= best_error(x, output, segments, table.shift) + 1 / 128


def test_greedy_beats_uniform_knots() -> None:
    x, output = Fixed(12, 8), Fixed(12, 8)
    for segments in (8, 16, 32):
        assert fit(GELU, x, output, segments).error < 0.25 * fit_uniform(GELU, x, output, segments).error


def test_exact_functions_need_few_segments() -> None:
    """What is piecewise linear is found as such: only rounding is left."""
    for kind in (Kind.RELU6, Kind.HARDTANH):
        table = fit(FUNCTIONS[kind].value, Fixed(10, 6), Fixed(10, 6), 32)
        assert table.segments <= 3 and table.error == 0


def test_infinite_results_saturate_and_undefined_ones_are_refused() -> None:
    table = fit(lambda x: 1 / x, Fixed(8, 4, signed=False), Fixed(8, 4, signed=False), 16)
    assert table.evaluate(np.array([0]), Fixed(8, 4, signed=False)) == 255
    with pytest.raises(GraphError, match="128 inputs of s8.4 have no result"):
        fit(np.sqrt, Fixed(8, 4), Fixed(8, 4), 16)
    with pytest.raises(GraphError, match="inputs of 17 bits: at most 16|17 bits"):
        fit(GELU, Fixed(17, 4), Fixed(8, 4), 16)


def test_fit_is_fast() -> None:
    """Generous limits; typical are 0.02 s and 0.1 s."""
    for bits, limit in ((10, 0.5), (16, 4.0)):
        start = time.process_time()
        fit(GELU, Fixed(bits, bits - 4), Fixed(bits, bits - 4), 32)
        assert time.process_time() - start < limit


@pytest.mark.parametrize(
    ("knots", "slopes", "offsets", "shift", "words"),
    [
        ([1], [0], [0], 0, "one knot fewer"),
        ([], [0], [], 0, "0 offsets"),
        ([3, 3], [0] * 3, [0] * 3, 0, "rising"),
        ([], [0], [0], -1, "0 and up"),
        ([], [1 << 40], [0], 0, "62"),
    ],
)
def test_wrong_tables_are_refused(
    knots: list[int], slopes: list[int], offsets: list[int], shift: int, words: str
) -> None:
    with pytest.raises(GraphError, match=words):
        Table(*(np.array(v, np.int64) for v in (knots, slopes, offsets)), shift).widths(Fixed(30, 0))


def test_banks_have_one_shift_and_the_same_meaning() -> None:
    """Padded and rescaled rows, read back as the hardware reads them, give the same integers."""
    x, output = Fixed(8, 4), Fixed(8, 4)
    tables = [fit(FUNCTIONS[k].value, x, output, n) for k, n in ((Kind.GELU, 5), (Kind.EXP, 16), (Kind.TANH, 1))]
    parameters, rows = spell(tables, [x] * 3, [output] * 3)
    segments, shift = parameters["Segments"], parameters["Shift"]
    widths = [parameters[k] for k in ("InWidth", "SlopeWidth", "OffsetWidth")]
    assert segments == 1 << (max(t.segments for t in tables) - 1).bit_length() and len(rows) == 3 * segments
    for bank, table in enumerate(tables):
        fields = unpack(rows[bank * segments :][:segments], widths)
        index = (fields[0][None, 1:] <= integers(x)[:, None]).sum(axis=1)
        sums = fields[1][index] * integers(x) + fields[2][index]
        assert np.array_equal(np.clip(sums >> shift, output.lo, output.hi), table.evaluate(integers(x), output))


def unpack(rows: np.ndarray, widths: list[int]) -> list[np.ndarray]:
    """Signed fields of packed rows."""
    numbers = [sum(int(w) << 32 * i for i, w in enumerate(row)) for row in rows]
    found, low = [], 0
    for width in widths:
        raw = np.array([n >> low & ((1 << width) - 1) for n in numbers])
        found.append(np.where(raw >= 1 << (width - 1), raw - (1 << width), raw))
        low += width
    return found


def test_pack_places_fields_side_by_side() -> None:
    rows = pack([np.array([-1, 2]), np.array([[1, 2], [3, 0]])], (4, 30))
    assert [sum(int(w) << 32 * i for i, w in enumerate(r)) for r in rows] == [15 | 1 << 4 | 2 << 34, 2 | 3 << 4]


def test_banks_of_other_formats_are_refused() -> None:
    x, output = Fixed(8, 4), Fixed(8, 4)
    table = fit(GELU, x, output, 4)
    with pytest.raises(GraphError, match="table.output: u8.4 in iteration 1"):
        spell([table, table], [x, x], [output, Fixed(8, 4, signed=False)])
