# SPDX-License-Identifier: Apache-2.0
"""Bench of matrix: exact for every sign, pairing and extreme value, one beat per cycle, stalls anywhere."""

from typing import Any

import cocotb
import numpy as np
import pytest

from gatewright.fixed import Fixed, Ints, accumulator
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, Source, parameters

P = parameters() or dict.fromkeys(("InWidth", "WeightWidth", "In", "Simd", "Pe", "Tokens", "AccWidth"), 1)
X = Fixed(P["InWidth"], 0, bool(P.get("InSigned", 1)))
W = Fixed(P["WeightWidth"], 0)
BEATS = P["In"] // P["Simd"]


def word(fields: Ints, width: int) -> int:
    """Fields of `width` bits, the first one lowest, as one integer."""
    return sum((int(v) & (1 << width) - 1) << i * width for i, v in enumerate(fields.reshape(-1)))


def stored(w: Ints) -> int:
    """[Pe, Simd] weights as the store holds them: pairs as {high - (low < 0), low}."""
    if not P.get("Pair"):
        return word(w, W.width)
    low, high = w[0::2], w[1::2]
    both = (high - (low < 0)) << W.width | low & (1 << W.width) - 1
    return word(both, 2 * W.width + 1)


def send(bench: Harness, s: Source, w: Source, kind: str, results: int) -> list[tuple[int, int]]:
    """Queue operands of some results and return the beats to expect, with their side band."""
    rng = np.random.default_rng(bench.seed)
    expected = []
    for r in range(results):
        x_shape, w_shape = (P["Tokens"], P["In"]), (P["Pe"], P["In"])
        if kind == "lowest":
            x, weights = np.full(x_shape, X.lo), np.full(w_shape, W.lo)
        elif kind == "opposite":
            x, weights = np.full(x_shape, X.hi), np.full(w_shape, W.lo)
        elif kind == "highest":
            x, weights = np.full(x_shape, X.hi), np.full(w_shape, W.hi)
        elif kind == "extremes":
            x, weights = rng.choice([X.lo, X.hi], x_shape), rng.choice([W.lo, -1, 0, W.hi], w_shape)
        else:
            x, weights = rng.integers(X.lo, X.hi + 1, x_shape), rng.integers(W.lo, W.hi + 1, w_shape)
        user = r % (1 << P["UserWidth"])
        for b in range(BEATS):
            columns = slice(b * P["Simd"], (b + 1) * P["Simd"])
            # Only the side band of the final beat counts.
            side = user if b == BEATS - 1 else int(rng.integers(1 << P["UserWidth"]))
            s.send([(word(x[:, columns], X.width), side)])
            w.send([(stored(weights[:, columns]),)])
        expected.append((word(x @ weights.T, P["AccWidth"]), user))
    return expected


def ports(dut: Any, pace: Pace, weights: float | None = None) -> tuple[Harness, Source, Source, Sink]:
    bench = Harness(dut)
    return (
        bench,
        bench.source("s", pace.idle, ("data", "user")),
        bench.source("w", pace.idle if weights is None else weights, ("data",)),
        bench.sink("m", pace.stall, pace.patient, ("data", "user")),
    )


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, weights=[0.0, 0.5, None])
async def stalls_everywhere(dut: Any, pace: Pace, weights: float | None) -> None:
    """Weights at their own pace too."""
    bench, s, w, m = ports(dut, pace, weights)
    await bench.start()
    expected = send(bench, s, w, "random", 40)
    await bench.finish({m: 40}, limit=40 * BEATS * 40 + 200)
    assert m.beats == expected


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(kind=["lowest", "opposite", "highest", "extremes", "random"])
async def one_beat_per_cycle(dut: Any, kind: str) -> None:
    """Under a ready sink a result leaves every In/Simd cycles, without a bubble, and it is exact."""
    bench, s, w, m = ports(dut, Pace())
    await bench.start()
    expected = send(bench, s, w, kind, 60)
    await bench.finish({m: 60}, limit=60 * BEATS + 50)
    assert m.beats == expected
    assert {b - a for a, b in zip(m.cycles, m.cycles[1:], strict=False)} == {BEATS}
    assert s.taken == w.taken and s.taken[-1] - s.taken[0] == 60 * BEATS - 1


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 3, 7, 8, 9, 30])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    """A reset within a sum starts the next sum at zero."""
    bench, s, w, m = ports(dut, Pace(0.1, 0.3))
    await bench.start()
    send(bench, s, w, "random", 20)
    await bench.step(cycles)
    await bench.reset(1)
    expected = send(bench, s, w, "random", 5)
    await bench.finish({m: 5}, limit=40 * BEATS * 5 + 200)
    assert m.beats == expected


@pytest.mark.parametrize(
    ("ins", "simd", "pe", "tokens", "x", "weight", "pair", "fabric"),
    [
        (32, 16, 4, 1, Fixed(8, 0), 8, 1, 0),
        (32, 16, 2, 2, Fixed(8, 0, signed=False), 8, 1, 0),
        (16, 4, 3, 2, Fixed(8, 0), 8, 0, 0),
        (12, 1, 2, 1, Fixed(8, 0, signed=False), 3, 0, 1),
        (7, 7, 2, 1, Fixed(13, 0), 4, 1, 0),
        (9, 3, 1, 1, Fixed(8, 0), 2, 0, 1),
    ],
    ids=["signed_pairs", "unsigned_pairs", "two_tokens", "three_bits", "one_beat", "two_bits"],
)
def test_matrix(ins: int, simd: int, pe: int, tokens: int, x: Fixed, weight: int, pair: int, fabric: int) -> None:
    width = accumulator(x, Fixed(weight, 0), ins).width
    run_bench(
        "matrix",
        __file__,
        {
            "In": ins,
            "Simd": simd,
            "Pe": pe,
            "Tokens": tokens,
            "InWidth": x.width,
            "InSigned": int(x.signed),
            "WeightWidth": weight,
            "Pair": pair,
            "Fabric": fabric,
            "AccWidth": width,
            "UserWidth": 3,
        },
    )
