# SPDX-License-Identifier: Apache-2.0
"""Bench of norm_lanes: beats wait for their token's factors, then they are scaled, one per cycle."""

from typing import Any

import cocotb
from rtl.operator_bench import PACES, Pace

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import Beat, Harness, Sink, Source, parameters

FACTOR = ("factor", "offset", "half")
TOKENS = (1, 1, 5, 2, 9, 1)


class Ports:
    """The lanes with a source for each of their streams."""

    def __init__(self, dut: Any, pace: Pace, factors: float) -> None:
        self.bench = Harness(dut)
        self.p = parameters()
        self.s: Source = self.bench.source("s", pace.idle)
        self.f: Source = self.bench.source("f", factors, FACTOR)
        self.b: Source = self.bench.source("b", fields=("data",))
        self.w: Source = self.bench.source("w")
        self.x: Sink = self.bench.sink("x")
        self.m: Sink = self.bench.sink("m", pace.stall, pace.patient)

    def load(self) -> list[list[tuple[int, int]]]:
        """Queue random rows; (gamma, beta) of every channel, per bank."""
        p, rng = self.p, self.bench.rng
        channels = p["Lanes"] * p["Beats"]

        def signed(width: int) -> int:
            return rng.randint(-(1 << (width - 1)), (1 << (width - 1)) - 1)

        rows = [[(signed(p["GammaWidth"]), signed(p["BetaWidth"])) for _ in range(channels)] for _ in range(p["Banks"])]
        fields = [field for bank in rows for pair in bank for field in zip(pair, self.wide(), strict=True)]
        words: list[int] = []
        for start in range(0, len(fields), 2 * p["Lanes"]):
            words += self.chunks(fields[start : start + 2 * p["Lanes"]])
        self.w.send_sequence(words)
        return rows

    def wide(self) -> tuple[int, int]:
        return self.p["GammaWidth"], self.p["BetaWidth"]

    @staticmethod
    def chunks(fields: list[tuple[int, int]]) -> list[int]:
        """A row as words of the load chain, the lowest first."""
        row = at = 0
        for value, width in fields:
            row, at = row | (value % (1 << width)) << at, at + width
        return [row >> k & 0xFFFFFFFF for k in range(0, at, 32)]

    def send(self, rows: list[list[tuple[int, int]]]) -> list[Beat]:
        """Queue tokens with their banks and factors; the beats to expect."""
        p, rng = self.p, self.bench.rng
        low, wanted = -(1 << (p["OutWidth"] - 1)), list[Beat]()
        for count in TOKENS:
            for t in range(count):
                bank, factor, half = rng.randrange(p["Banks"]), rng.getrandbits(p["FactorWidth"]), rng.randint(11, 15)
                offset = rng.randint(-(1 << 26), 1 << 26)
                self.b.send([(bank,)])
                self.f.send([(factor, offset % (1 << p["OffsetWidth"]), half)])
                for beat in range(p["Beats"]):
                    x = [rng.choice((-128, 127, rng.randint(-128, 127))) for _ in range(p["Lanes"])]
                    pairs = rows[bank][beat * p["Lanes"] :]
                    z = [(v * factor - offset) >> (1 + half) for v in x]
                    y = [(a * g + b) >> p["Shift"] for a, (g, b) in zip(z, pairs, strict=False)]
                    last = int(t == count - 1 and beat == p["Beats"] - 1)
                    self.s.send([(self.word([v % 256 for v in x], 8), last)])
                    clipped = [max(low, min(-low - 1, v)) % (1 << p["OutWidth"]) for v in y]
                    wanted.append((self.word(clipped, p["OutWidth"]), last))
        return wanted

    @staticmethod
    def word(values: list[int], width: int) -> int:
        return sum(v << i * width for i, v in enumerate(values))


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES, factors=[0.0, 0.8])
async def scales(dut: Any, pace: Pace, factors: float) -> None:
    """Tokens and factors each as late as they like; at full speed no cycle without a beat."""
    ports = Ports(dut, pace, factors)
    await ports.bench.start()
    rows = ports.load()
    await ports.bench.until(lambda: ports.w.empty, 500)
    await ports.bench.step(20)
    wanted = ports.send(rows)
    await ports.bench.finish({ports.m: len(wanted)}, 200 * len(wanted))
    assert ports.m.beats == wanted and not ports.x.beats
    assert pace != PACES[0] or factors or ports.m.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[3, 9, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    """Tokens, factors and constants are forgotten."""
    ports = Ports(dut, Pace(0.1, 0.3), 0.2)
    await ports.bench.start()
    for run in range(2):
        rows = ports.load()
        await ports.bench.until(lambda: ports.w.empty, 500)
        wanted = ports.send(rows)
        if run == 0:
            await ports.bench.step(cycles)
            await ports.bench.reset(1)
    await ports.bench.finish({ports.m: len(wanted)}, 200 * len(wanted))
    assert ports.m.beats == wanted


def test_norm_lanes() -> None:
    sizes = {"Lanes": 3, "Beats": 2, "Waiting": 6, "Banks": 2, "InWidth": 8, "FactorWidth": 18, "OffsetWidth": 30}
    widths = {"HalfBits": 4, "ZWidth": 17, "GammaWidth": 9, "BetaWidth": 20, "OutSumWidth": 28, "Shift": 9}
    run_bench("norm_lanes", __file__, sizes | widths | {"OutWidth": 12})
