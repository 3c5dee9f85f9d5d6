# SPDX-License-Identifier: Apache-2.0
"""Bench of sparse_gather: every row comes out with the channels that its indices name, one row per cycle."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, Source, parameters

P = parameters() or dict.fromkeys(("Width", "Words", "Simd", "Reach", "Sources", "Folds", "Shared", "WeightsWidth"), 1)
CHANNEL_BITS = (P["Reach"] - 1).bit_length()
INDEX_BITS = max(1, CHANNEL_BITS + (0 if P["Shared"] else (P["Words"] - 1).bit_length()))
LENGTHS = (1, 3, 1, 6)
"""Tokens per sequence."""


class Ports:
    """Tokens, rows and operands of some sequences."""

    def __init__(self, dut: Any, pace: Pace) -> None:
        self.bench = Harness(dut)
        self.tokens: Source = self.bench.source("s", pace.idle)
        self.rows: Source = self.bench.source("r", pace.idle, ("index", "next", "final", "weights"))
        fields = ("data", "weights", "final", "last")
        self.sink: Sink = self.bench.sink("m", pace.stall, pace.patient, fields)

    def send(self, lengths: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Queue everything; returns the beats to expect."""
        rng, lanes, expected = self.bench.rng, P["Simd"] * P["Reach"], []
        for length in lengths:
            for t in range(length):
                token = [[rng.getrandbits(P["Width"]) for _ in range(lanes)] for _ in range(P["Words"])]
                for w, beat in enumerate(token):
                    end = t == length - 1 and w == P["Words"] - 1
                    self.tokens.send([(packed(beat, P["Width"]), int(end))])
                for fold in range(P["Folds"]):
                    expected += self._fold(token, t == length - 1 and fold == P["Folds"] - 1)
        return expected

    def _fold(self, token: list[list[int]], last: bool) -> list[tuple[int, ...]]:
        """Some rows of one result. Shared rows walk over the beats, others go anywhere."""
        rng, found = self.bench.rng, []
        walk = [w for w in range(P["Words"]) for _ in range(rng.randint(1, 2))]
        for k, word in enumerate(walk):
            final = k == len(walk) - 1
            index, data = [], []
            for i in range(P["Sources"] * P["Simd"]):
                beat = word if P["Shared"] else rng.randrange(P["Words"])
                channel = rng.randrange(P["Reach"])
                data.append(token[beat][i % P["Simd"] * P["Reach"] + channel])
                index.append(channel | (0 if P["Shared"] else beat << CHANNEL_BITS))
            weights = rng.getrandbits(P["WeightsWidth"])
            goes_on = int(not final and walk[k + 1] != word)
            self.rows.send([(packed(index, INDEX_BITS), goes_on, int(final), weights)])
            found.append((packed(data, P["Width"]), weights, int(final), int(last and final)))
        return found


def packed(values: list[int], width: int) -> int:
    """Fields of `width` bits, the first one lowest."""
    return sum(v << i * width for i, v in enumerate(values))


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    """No row without its token, none lost; at full speed none waits once the first token is there."""
    ports = Ports(dut, pace)
    await ports.bench.start()
    expected = ports.send(LENGTHS)
    await ports.bench.finish({ports.sink: len(expected)}, limit=20000)
    assert ports.sink.beats == expected
    if pace == PACES[0]:
        assert ports.sink.gaps == 0


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 4, 9, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    """Reset forgets tokens and where the rows were."""
    ports = Ports(dut, Pace(stall=0.4))
    await ports.bench.start()
    ports.send((4,))
    await ports.bench.step(cycles)
    await ports.bench.reset(1)
    expected = ports.send((2, 1))
    await ports.bench.finish({ports.sink: len(expected)}, limit=4000)
    assert ports.sink.beats == expected


@pytest.mark.parametrize(
    ("words", "simd", "reach", "sources", "shared"),
    [(3, 2, 2, 2, 0), (4, 1, 4, 3, 1)],
    ids=["own_beats", "shared_beats"],
)
def test_sparse_gather(words: int, simd: int, reach: int, sources: int, shared: int) -> None:
    shape = {"Width": 5, "Words": words, "Simd": simd, "Reach": reach, "Sources": sources, "Folds": 3}
    run_bench("sparse_gather", __file__, shape | {"Shared": shared, "WeightsWidth": 7})
