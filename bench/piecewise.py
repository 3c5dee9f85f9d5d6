# SPDX-License-Identifier: Apache-2.0
"""Largest errors of piecewise-linear tables: greedy knots on the quantised input against equally long segments.

`python bench/piecewise.py` writes `bench/results/piecewise.md`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from _table import markdown, versions, write

from gatewright.fixed import Fixed
from gatewright.ops._functions import FUNCTIONS, Kind, Real
from gatewright.ops._piecewise import fit, fit_uniform

BITS = (8, 10, 12, 16)
SEGMENTS = (8, 16, 32)


@dataclass(frozen=True)
class Case:
    """A function with the formats of its input and output, both of `bits` bits.

    Attributes:
        inputs, outputs: (integer bits with sign, signed).
    """

    name: str
    function: Real
    inputs: tuple[int, bool]
    outputs: tuple[int, bool]

    def formats(self, bits: int) -> tuple[Fixed, Fixed]:
        x, y = (Fixed(bits, bits - whole, signed) for whole, signed in (self.inputs, self.outputs))
        return x, y


CASES = (
    Case("gelu", FUNCTIONS[Kind.GELU].value, (4, True), (4, True)),
    Case("silu", FUNCTIONS[Kind.SILU].value, (4, True), (4, True)),
    Case("sigmoid", FUNCTIONS[Kind.SIGMOID].value, (4, True), (0, False)),
    Case("tanh", FUNCTIONS[Kind.TANH].value, (3, True), (1, True)),
    # The fraction of an exponent, and mantissas behind their leading one.
    Case("exp2 on [0, 1)", np.exp2, (0, False), (1, False)),
    Case("1/m on [1, 2)", lambda x: 1 / (1 + x), (0, False), (0, False)),
    Case("1/sqrt(m) on [1, 4)", lambda x: 1 / np.sqrt(1 + 3 * x), (0, False), (0, False)),
)


def rows() -> list[dict[str, object]]:
    """One row per function and width."""
    found = []
    for case in CASES:
        for bits in BITS:
            x, y = case.formats(bits)
            row: dict[str, object] = {"function": case.name, "input": str(x), "output": str(y)}
            for segments in SEGMENTS:
                start = time.process_time()
                table = fit(case.function, x, y, segments)
                spent = time.process_time() - start
                uniform = fit_uniform(case.function, x, y, segments)
                used = f" ({table.segments})" if table.segments < segments else ""
                row[f"{segments} greedy"] = f"{table.error:.3f}{used}"
                row[f"{segments} uniform"] = f"{uniform.error:.3f}"
            row["real, 32 greedy"] = f"{table.error * y.ulp:.2e}"
            row["ms"] = round(spent * 1000)
            found.append(row)
    return found


def main() -> None:
    """Measure and write."""
    write(
        "piecewise",
        "# Piecewise-linear tables",
        "Largest error over all inputs, in steps of the output, for 8, 16 and 32 segments: knots chosen greedily on "
        "the quantised input, and equally long segments, each with its best line. 0.5 is correct rounding; in brackets "
        "the segments that suffice where fewer do. Last columns: the error of the 32 greedy segments as a real number, "
        "and the time to find them.",
        markdown(rows()),
        f"`python bench/piecewise.py`; {versions('numpy')}",
    )


if __name__ == "__main__":
    main()
