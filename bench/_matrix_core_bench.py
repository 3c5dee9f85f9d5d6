# SPDX-License-Identifier: Apache-2.0
"""cocotb side of `matrix_unit.py`: 100 random vectors, exactness under stalls of each port, the cycles."""

import json
import os
from pathlib import Path
from typing import Any

import cocotb
import numpy as np

from gatewright.fixed import Fixed
from gatewright.graph import Folding
from gatewright.ops._matrix import Matrix
from gatewright.ops._matrix_rtl import rows
from gatewright.sim.streams import Harness, parameters

VECTORS = 100
NAMES = {
    (0.0, 0.0, 0.0): "free",
    (0.3, 0.3, 0.0): "input and output stalls",
    (0.0, 0.0, 0.3): "weight stalls",
}


def word(fields: Any, width: int) -> int:
    """Pack fields, the first one lowest."""
    return sum((int(v) & ((1 << width) - 1)) << (i * width) for i, v in enumerate(fields))


def unit(rng: np.random.Generator, ins: int, outs: int, width: int) -> Matrix:
    weight = rng.integers(-(1 << (width - 1)), 1 << (width - 1), (1, outs, ins))
    weight[0, 0] = -(1 << (width - 1))
    zero, x = np.zeros(outs, np.int64), Fixed(width, 0)
    plain = Matrix(weight, zero, zero, width, x, Fixed(40, 0))
    return Matrix(weight, zero, zero, width, x, plain.accumulator)


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(stalls=list(NAMES))
async def vectors(dut: Any, stalls: tuple[float, float, float]) -> None:
    p = parameters()
    ins, outs, simd, pe, width = (p[k] for k in ("In", "Out", "Simd", "Pe", "Width"))
    rng = np.random.default_rng(1)
    matrix = unit(rng, ins, outs, width)
    x = rng.integers(matrix.x.lo, matrix.x.hi + 1, (VECTORS, ins))
    x[0] = matrix.x.lo
    idle, stall, starve = stalls
    bench = Harness(dut)
    source, weights = bench.source(idle=idle), bench.source("w", idle=starve, fields=("data",))
    sink = bench.sink(stall=stall)
    await bench.start()
    for vector in x:
        source.send_sequence([word(beat, width) for beat in vector.reshape(-1, simd)])
    # The packed pairs of a row are whole 32-bit load words here.
    loads = rows(matrix, Folding(1, simd, pe)).reshape(-1, pe // 2 * simd * (2 * width + 1) // 32)
    weights.send([(word(row, 32),) for _ in x for row in loads])
    beats = VECTORS * outs // pe
    await bench.finish({sink: beats}, limit=20 * beats * ins // simd)
    bits = matrix.accumulator.width
    want = [word(v, bits) for row in matrix.evaluate(x.reshape(VECTORS, 1, ins)) for v in row.reshape(-1, pe)]
    wrong = sum(a != b for a, b in zip(sink.words, want, strict=True))
    result = Path(os.environ["MATRIX_UNIT_RESULT"])
    found = json.loads(result.read_text()) if result.exists() else {}
    per_vector = outs // pe
    ends = np.asarray(sink.cycles)[per_vector - 1 :: per_vector]
    found[NAMES[stalls]] = {
        "wrong": wrong,
        "latency": int(ends[0] - source.taken[0]),
        "interval": float(np.diff(ends)[-50:].mean()),
    }
    result.write_text(json.dumps(found))
    assert wrong == 0
