# SPDX-License-Identifier: Apache-2.0
"""Bench of modular_linear: both parties' results together are the product of values and weights, and each is exact."""

import numpy as np
import pytest
from rtl.plan_bench import beats, check_streams


def rows(weight: np.ndarray, simd: int, pe: int) -> list[list[int]]:
    """[groups, out, in] to rows of PE * SIMD weights, element p * SIMD + s, in the order of use."""
    g, o, i = weight.shape
    cut = weight.reshape(g, o // pe, pe, i // simd, simd).transpose(0, 1, 3, 2, 4)
    return [[int(v) for v in row] for row in cut.reshape(-1, pe * simd)]


def load(rows: list[list[int]], width: int) -> list[int]:
    """Rows to words of the load chain."""
    found = []
    for row in rows:
        (whole,) = beats(row, len(row), width)
        found += [whole >> 32 * c & 0xFFFFFFFF for c in range(-(-len(row) * width // 32))]
    return found


@pytest.mark.parametrize(
    ("server", "groups", "ins", "outs", "simd", "pe", "width"),
    [(1, 2, 4, 3, 2, 3, 41), (0, 1, 12, 6, 4, 2, 64)],
)
def test_modular_linear(server: int, groups: int, ins: int, outs: int, simd: int, pe: int, width: int) -> None:
    rng = np.random.default_rng(ins + server)
    ring, bits, tokens = 1 << width, 8 if server else width, (1, 2, 1, 9)
    weight = rng.integers(0, 1 << 62, (groups, outs, ins), dtype=np.int64).astype(object) * 4 + 3
    if server:
        weight = weight % 256 - 128
        weight[0, 0] = -128
    bias = [int(v) * 7 for v in rng.integers(-(1 << 60), 1 << 60, groups * outs)] if server else [0] * groups * outs
    streams: dict[str, list[list[int]]] = {"s": [], "a": [], "m": []}
    for count in tokens:
        x = rng.integers(0, 1 << 62, (count, groups, ins), dtype=np.int64).astype(object) * 4 + 1
        addend = rng.integers(0, 1 << 62, (count, groups * outs), dtype=np.int64).astype(object) * 4 + 2
        y = np.einsum("tgi,goi->tgo", x, weight).reshape(count, -1) + addend + np.array(bias, object)
        streams["s"].append(beats([v % ring for v in x.reshape(-1)], simd, width))
        streams["a"].append(beats([v % ring for v in addend.reshape(-1)], pe, width))
        streams["m"].append(beats([v % ring for v in y.reshape(-1)], pe, width))
    words = load(rows(weight, simd, pe), bits)
    if server:
        words += load([bias[i : i + pe] for i in range(0, len(bias), pe)], width)
    names = {"In": ins, "Out": outs, "Groups": groups, "Simd": simd, "Pe": pe, "Width": width}
    interval = groups * (ins // simd) * (outs // pe)
    check_streams(
        "modular_linear",
        names | {"WeightWidth": bits, "Bias": server},
        {"s": streams["s"], "a": streams["a"]},
        {"m": streams["m"]},
        loads={"w": words},
        pace=("m", groups * outs // pe, interval),
    )
