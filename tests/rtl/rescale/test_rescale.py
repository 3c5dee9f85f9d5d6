# SPDX-License-Identifier: Apache-2.0
"""Bench of rescale: offset, shift per channel and saturation, against the one arithmetic."""

from typing import Any

import cocotb
import numpy as np
import pytest

from gatewright.fixed import Fixed, Ints
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Beat, Harness, Pace, Sink, Source, parameters


def word(fields: Any, width: int) -> int:
    """Fields of `width` bits, the first one lowest, as one integer."""
    return sum((int(v) & (1 << width) - 1) << i * width for i, v in enumerate(np.reshape(fields, -1)))


def ports(dut: Any, pace: Pace, offsets: float) -> tuple[Harness, Source, Source, Sink]:
    bench = Harness(dut)
    return (
        bench,
        bench.source("s", pace.idle, ("data", "user")),
        bench.source("o", offsets, ("data",)),
        bench.sink("m", pace.stall, pace.patient, ("data", "user")),
    )


def spread(rng: np.random.Generator, form: Fixed, shape: tuple[int, ...]) -> Ints:
    """Integers of every magnitude, so that not everything saturates; one in eight is an extreme."""
    values = rng.integers(form.lo, form.hi + 1, shape) >> rng.integers(0, form.width, shape)
    return np.where(rng.integers(0, 8, shape) == 0, rng.choice([form.lo, form.hi], shape), values)


def send(bench: Harness, s: Source, o: Source, count: int) -> list[Beat]:
    """Queue random and extreme beats; the beats to expect."""
    p = parameters()
    rng = np.random.default_rng(bench.seed)
    out = Fixed(p["OutWidth"], 0, bool(p["OutSigned"]))
    left, right = max(-p["ShiftMin"], 0), max(p["ShiftMin"], 0)
    expected = []
    for _ in range(count):
        acc = spread(rng, Fixed(p["AccWidth"], 0), (p["Tokens"], p["Pe"]))
        offset = spread(rng, Fixed(p["OffsetWidth"], 0), (p["Pe"],))
        extra = rng.integers(0, 1 << p["ShiftBits"], p["Pe"])
        user = int(rng.integers(1 << p["UserWidth"]))
        s.send([(word(acc, p["AccWidth"]), user)])
        fields = extra << p["OffsetWidth"] | offset & (1 << p["OffsetWidth"]) - 1
        o.send([(word(fields, p["OffsetWidth"] + p["ShiftBits"]),)])
        y = np.clip(((acc + offset) << left) >> right >> extra, out.lo, out.hi)
        expected.append((word(y, out.width), user))
    return expected


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, offsets=[0.0, 0.5])
async def exact(dut: Any, pace: Pace, offsets: float) -> None:
    bench, s, o, m = ports(dut, pace, offsets)
    await bench.start()
    expected = send(bench, s, o, 200)
    await bench.finish({m: 200}, limit=6000)
    assert m.beats == expected
    assert pace.idle or offsets or pace.patient or m.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 10])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench, s, o, m = ports(dut, Pace(0.2, 0.6), 0.2)
    await bench.start()
    send(bench, s, o, 20)
    await bench.step(cycles)
    await bench.reset(1)
    expected = send(bench, s, o, 6)
    await bench.finish({m: 6}, limit=300)
    assert m.beats == expected


@pytest.mark.parametrize(
    "changes",
    [
        {"Pe": 2, "Tokens": 3, "AccWidth": 20, "OffsetWidth": 20, "ShiftMin": 4, "ShiftBits": 0, "OutWidth": 8},
        {
            "Pe": 3,
            "Tokens": 1,
            "AccWidth": 12,
            "OffsetWidth": 17,
            "ShiftMin": 0,
            "ShiftBits": 3,
            "OutWidth": 6,
            "OutSigned": 0,
        },
        {"Pe": 1, "Tokens": 1, "AccWidth": 6, "OffsetWidth": 4, "ShiftMin": -3, "ShiftBits": 2, "OutWidth": 16},
    ],
    ids=["tokens", "per_channel_unsigned", "left"],
)
def test_rescale(changes: dict[str, int]) -> None:
    run_bench("rescale", __file__, {"OutSigned": 1, "UserWidth": 2} | changes)
