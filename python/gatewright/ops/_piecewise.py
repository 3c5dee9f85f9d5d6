# SPDX-License-Identifier: Apache-2.0
"""Functions of one fixed-point number as piecewise-linear integer tables, fitted on the quantised input itself.

With knots k_1 < k_2 < .. the input x lies in segment i = #{j : k_j <= x}, and
`y = sat((slope[i] * x + offset[i] + 2**(shift - 1)) >> shift)`.

The fit is greedy: a segment is extended while one integer line keeps every rounded result within a tolerance of the
function. Since part of a segment is never harder than the whole, greedy needs the fewest segments for a tolerance; a
binary search finds the smallest tolerance that the segments allow. (Optimal piecewise-linear approximation under a
uniform bound, e.g. Imai and Iri 1986; here with the rounding of the result inside the bound.)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from gatewright.errors import GraphError
from gatewright.fixed import MAX_WIDTH, Fixed, Floats, Ints, enclosing, product_range, requantize

MOST_BITS = 16
"""Widest input: every one of its integers is looked at."""
PRECISION = 16
"""Bits of a slope that `fit` aims at, sign included."""
FINEST = 1 / 128
"""The tolerance is found to within this part of an output step, or of itself when that is more."""

_FREE = np.int64(1) << 52
"""Stands for no bound: a result that saturates may be as large as it likes."""


@dataclass(frozen=True, eq=False)
class Table:
    """A piecewise-linear function of integers.

    Attributes:
        knots: [segments - 1] rising inputs at which a new segment begins.
        slopes, offsets: [segments] lines, at `shift` bits below an output step.
        shift: right shift of the sum, 0 and up.
        error: largest distance of a result from the function, in output steps, over all inputs; 0 when unknown.
    """

    knots: Ints
    slopes: Ints
    offsets: Ints
    shift: int
    error: float = 0.0

    def __post_init__(self) -> None:
        count = len(self.slopes)
        if len(self.knots) != count - 1 or len(self.offsets) != count:
            raise GraphError(
                "table",
                f"{len(self.knots)} knots, {count} slopes, {len(self.offsets)} offsets",
                "one knot fewer than segments, an offset for every slope",
            )
        if np.any(np.diff(self.knots) <= 0):
            raise GraphError("table.knots", f"{self.knots.tolist()}", "rising integers")
        if self.shift < 0:
            raise GraphError("table.shift", f"{self.shift}", "0 and up")

    @property
    def segments(self) -> int:
        """Number of lines."""
        return len(self.slopes)

    @property
    def rounded_offsets(self) -> Ints:
        """Offsets with the half that rounding adds."""
        return self.offsets + ((1 << self.shift) >> 1)

    def evaluate(self, x: Ints, output: Fixed) -> Ints:
        """Results for integers of any shape."""
        index = np.searchsorted(self.knots, x, side="right")
        return requantize(self.slopes[index] * x + self.offsets[index], self.shift, output)

    def widths(self, x: Fixed) -> tuple[int, int, int]:
        """Signed bits of a slope, of an offset with its half, and of their sum for inputs of format `x`.

        Raises:
            GraphError: the sum exceeds 62 bits.
        """
        slope = enclosing(min(int(self.slopes.min()), -1), int(self.slopes.max()), 0)
        offset = enclosing(min(int(self.rounded_offsets.min()), -1), int(self.rounded_offsets.max()), 0)
        lo, hi = product_range(x, slope)
        total = (min(lo, -1) + offset.lo, hi + offset.hi)
        width = 1 + max((-total[0] - 1).bit_length(), total[1].bit_length())
        if width > MAX_WIDTH:
            raise GraphError("table", f"a sum of {width} bits", f"at most {MAX_WIDTH}", "use a smaller shift")
        return slope.width, offset.width, width

    def at_shift(self, shift: int) -> Table:
        """The same function with a larger shift."""
        more = shift - self.shift
        return Table(self.knots, self.slopes << more, self.offsets << more, shift, self.error)

    def rows(self, segments: int, x: Fixed) -> tuple[Ints, Ints, Ints]:
        """[segments] knots, slopes and rounded offsets of a memory; the knot below the first segment is not read.

        Spare segments begin at the greatest input of format `x` and repeat the last line.
        """
        more = segments - self.segments
        slopes, offsets = (np.concatenate([v, np.full(more, v[-1])]) for v in (self.slopes, self.rounded_offsets))
        return np.concatenate([[x.lo], self.knots, np.full(more, x.hi)]), slopes, offsets


def integers(x: Fixed) -> Ints:
    """Every integer of a format, rising."""
    return np.arange(x.lo, x.hi + 1, dtype=np.int64)


def targets(function: Callable[[Floats], Floats], x: Fixed, output: Fixed) -> Floats:
    """Ideal results for every integer of `x`, in output steps, saturated as the output is.

    Raises:
        GraphError: the function is not a number somewhere on the input's range.
    """
    with np.errstate(all="ignore"):
        real = np.asarray(function(x.dequantize(integers(x))), np.float64)
    if np.any(np.isnan(real)):
        raise GraphError(
            "table", f"{int(np.isnan(real).sum())} inputs of {x} have no result", "a function of all inputs"
        )
    return np.clip(np.ldexp(real, output.frac), output.lo, output.hi)


def fit(
    function: Callable[[Floats], Floats], x: Fixed, output: Fixed, segments: int, precision: int = PRECISION
) -> Table:
    """The table of at most `segments` lines whose largest error is smallest, and that error.

    Args:
        function: real to real, vectorised; infinities saturate.
        precision: bits of a slope, sign included, that the shift is chosen for.
    """
    problem = _Problem.of(function, x, output, precision)
    ends = problem.greedy(0.5, segments)
    if ends is None:
        low, high = 0.5, 0.52
        while (ends := problem.greedy(high, segments)) is None:
            low, high = high, 2 * high
        while high - low > max(FINEST, high / 128):
            middle = (low + high) / 2
            found = problem.greedy(middle, segments)
            if found is None:
                low = middle
            else:
                high, ends = middle, found
    return problem.table(ends)


def fit_uniform(
    function: Callable[[Floats], Floats], x: Fixed, output: Fixed, segments: int, precision: int = PRECISION
) -> Table:
    """The best lines for equally long segments, a power of two of them; for comparison."""
    problem = _Problem.of(function, x, output, precision)
    count = len(problem.target)
    return problem.table([count * (i + 1) // segments for i in range(segments)])


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is fitted: ideal results `target` of the inputs `x`, in output steps, saturating at `lo` and `hi`."""

    x: Ints
    target: Floats
    lo: int
    hi: int
    shift: int
    limit: int

    @classmethod
    def of(cls, function: Callable[[Floats], Floats], x: Fixed, output: Fixed, precision: int) -> _Problem:
        if x.width > MOST_BITS:
            raise GraphError("table", f"inputs of {x.width} bits", f"at most {MOST_BITS}", "requantize the input")
        target = targets(function, x, output)
        steepest = float(np.abs(np.diff(target)).max(initial=0.0))
        limit = (1 << (precision - 1)) - 1
        # A finer slope than this moves no result, even over the whole input range.
        shift = x.width + 2
        if steepest > 0:
            shift = min(shift, int(np.floor(np.log2(limit / steepest))))
        shift = max(shift, 0)
        return cls(integers(x), target, output.lo, output.hi, shift, max(limit, int(np.ceil(steepest)) << shift))

    def bands(self, tolerance: float, part: slice = slice(None)) -> tuple[Ints, Ints]:
        """Least and greatest value of the line at every input for which the rounded result is near enough."""
        half = (1 << self.shift) >> 1
        target = self.target[part]
        least = np.ceil(target - tolerance).astype(np.int64)
        most = np.floor(target + tolerance).astype(np.int64)
        low = np.where(least <= self.lo, -_FREE, (least << self.shift) - half)
        high = np.where(most >= self.hi, _FREE, ((most + 1) << self.shift) - half - 1)
        return low, high

    def greedy(self, tolerance: float, most: int) -> list[int] | None:
        """Ends of the fewest segments for a tolerance, or None when `most` do not suffice."""
        low, high = self.bands(tolerance)
        count = len(self.x)
        ends: list[int] = []
        length = max(1, count // most)
        while not ends or ends[-1] < count:
            if len(ends) == most:
                return None
            start = ends[-1] if ends else 0
            ends.append(self._extend(low, high, start, length))
            length = ends[-1] - start
        return ends

    def _extend(self, low: Ints, high: Ints, start: int, guess: int) -> int:
        """The largest end of a segment from `start` that one line serves; `guess` is a likely length."""
        count, slope = len(self.x), 0
        good, bad, step = start + 1, count + 1, guess
        while good + 1 < bad:
            # Double the step until a line fails, then halve what is left.
            end = min(good + step, count) if bad > count else (good + bad) // 2
            found = self.line(low[start:end], high[start:end], start, slope)
            if found is None:
                bad = end
            else:
                good, slope, step = end, found, 2 * step
        return good

    def line(self, low: Ints, high: Ints, start: int, slope: int) -> int | None:
        """The feasible slope nearest to `slope` for the inputs from `start` on, or None.

        Two inputs whose bounds no offset can serve bound the slope; moving there is Newton's method on the convex
        violation, so no feasible slope is jumped over.
        """
        x = self.x[start : start + len(low)]
        least, most = -self.limit, self.limit
        slope = min(max(slope, least), most)
        while least <= most:
            line = slope * x
            floor, ceiling = low - line, high - line
            i, j = int(floor.argmax()), int(ceiling.argmin())
            over, run = int(floor[i] - ceiling[j]), int(x[i] - x[j])
            if over <= 0:
                return slope
            if run > 0:
                slope = least = slope - (-over // run)
            elif run < 0:
                slope = most = slope + over // run
            else:
                return None
        return None

    def table(self, ends: Sequence[int]) -> Table:
        """The best line of every segment, and the largest error."""
        starts = [0, *ends[:-1]]
        lines = [self.best(s, e) for s, e in zip(starts, ends, strict=True)]
        slopes, offsets = (np.array(v, np.int64) for v in zip(*lines, strict=True))
        table = Table(self.x[starts[1:]], slopes, offsets, self.shift)
        sums = slopes.repeat(np.diff([0, *ends])) * self.x + table.rounded_offsets.repeat(np.diff([0, *ends]))
        result = np.clip(sums >> self.shift, self.lo, self.hi)
        return Table(table.knots, slopes, offsets, self.shift, float(np.abs(result - self.target).max()))

    def best(self, start: int, end: int) -> tuple[int, int]:
        """Slope and offset of least error for a segment; among those, nearest to least squares."""
        part = slice(start, end)
        low, high = 0.5, float(self.hi - self.lo + 1)
        if self.line(*self.bands(low, part), start, 0) is not None:
            high = low
        while high - low > max(FINEST, low / 128):
            middle = min(2 * low, (low + high) / 2)
            if self.line(*self.bands(middle, part), start, 0) is None:
                low = middle
            else:
                high = middle
        bands = self.bands(high, part)
        x, target = self.x[part], self.target[part]
        inside = (target > self.lo) & (target < self.hi)
        x, target = (x[inside], target[inside]) if inside.sum() > 1 else (x, target)
        spread = float(np.var(x))
        wish = float(np.mean((x - x.mean()) * target)) / spread if spread else 0.0
        least, most = (self.line(*bands, start, s) for s in (-self.limit, self.limit))
        assert least is not None and most is not None
        slope = min(max(round(np.ldexp(wish, self.shift)), least), most)
        lines = [band - slope * self.x[part] for band in bands]
        offset = round(float(np.mean(np.ldexp(target, self.shift) - slope * x)))
        return slope, min(max(offset, int(lines[0].max())), int(lines[1].min()))
