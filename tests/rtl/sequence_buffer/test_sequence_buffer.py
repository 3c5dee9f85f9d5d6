# SPDX-License-Identifier: Apache-2.0
"""Bench of sequence_buffer: closed sequences leave whole with their lengths, dropped ones not at all."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, parameters, random_words

DATA = ("data",)
Step = tuple[int | None, int | None, bool]
"""A beat or none, the length if the sequence closes, whether it is dropped."""


class Buffer:
    """The module, fed step by step as the guard does: a beat and the close of its sequence happen together."""

    def __init__(self, dut: Any, pace: Pace = PACES[0]) -> None:
        self.p, self.pace = parameters(), pace
        self.dut, self.bench = dut, Harness(dut)
        self.data: Sink = self.bench.sink("m", pace.stall, pace.patient)
        self.lengths: Sink = self.bench.sink("n", pace.stall, pace.patient, DATA)
        self.steps: list[Step] = []
        # In front of the sinks, so that it sees what they have before the edge.
        self.bench.ports.insert(0, self)  # type: ignore[arg-type]
        self.reset()

    def reset(self) -> None:
        """Offer nothing."""
        self.steps.clear()
        for name in ("s_valid", "c_valid", "drop"):
            getattr(self.dut, name).value = 0

    def step(self, cycle: int) -> None:
        """A length is there when the first beat of its sequence is."""
        between = not self.data.beats or bool(self.data.beats[-1][1])
        begun = sum(last for _, last in self.data.beats) + (int(self.dut.m_valid.value) if between else 1)
        assert len(self.lengths.beats) + int(self.dut.n_valid.value) >= begun

    async def play(self, steps: list[Step]) -> None:
        """Feed all steps, each as soon as there is room."""
        for word, length, drop in steps:
            while self.bench.rng.random() < self.pace.idle:
                await self.bench.step()
            while True:
                ready = (word is None or self.dut.s_ready.value) and (length is None or self.dut.c_ready.value)
                if ready:
                    break
                await self.bench.step()
            self.dut.s_valid.value, self.dut.s_data.value = int(word is not None), word or 0
            self.dut.c_valid.value, self.dut.c_data.value = int(length is not None), length or 0
            self.dut.drop.value = int(drop)
            await self.bench.step()
            for name in ("s_valid", "c_valid", "drop"):
                getattr(self.dut, name).value = 0
            # The outputs follow the edge.
            await self.bench.step()

    def sequence(self, length: int, drop: bool = False, late: bool = False) -> tuple[list[int], list[Step]]:
        """Words and steps of one sequence; `late` closes it in a step after its final beat."""
        words = random_words(self.bench.rng, self.p["Width"], length * self.p["Beats"])
        steps: list[Step] = [(word, None, False) for word in words]
        if drop:
            return [], [*steps, (None, None, True)]
        if late:
            return words, [*steps, (None, length, False)]
        return words, [*steps[:-1], (words[-1], length, False)]


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    buffer = Buffer(dut, pace)
    await buffer.bench.start()
    rng, expected, steps = buffer.bench.rng, [], []
    for _ in range(40):
        length = rng.choice([1, buffer.p["Depth"], rng.randint(1, buffer.p["Depth"])])
        words, more = buffer.sequence(length, drop=rng.random() < 0.3, late=rng.random() < 0.5)
        steps += more
        expected += [words] if words else []
    await buffer.play(steps)
    counts = {buffer.data: sum(map(len, expected)), buffer.lengths: len(expected)}
    await buffer.bench.finish(counts, limit=500 + 40 * len(steps))
    assert buffer.data.sequences() == expected
    assert buffer.lengths.words == [len(words) // buffer.p["Beats"] for words in expected]


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def nothing_leaves_early(dut: Any) -> None:
    """An open sequence stays inside; behind a full buffer a drop makes room for the longest one."""
    buffer = Buffer(dut)
    await buffer.bench.start()
    most = buffer.p["Depth"]
    _, steps = buffer.sequence(most)
    await buffer.play([(word, None, False) for word, _, _ in steps])
    await buffer.bench.step(10)
    assert not buffer.data.beats and not buffer.lengths.beats and not int(dut.s_ready.value)
    await buffer.play([(None, None, True)])
    words, steps = buffer.sequence(most)
    await buffer.play(steps)
    await buffer.bench.finish({buffer.data: len(words), buffer.lengths: 1}, limit=50 + 2 * len(words))
    assert buffer.data.sequences() == [words]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    buffer = Buffer(dut, Pace(stall=0.5))
    await buffer.bench.start()
    await buffer.play(buffer.sequence(buffer.p["Depth"])[1])
    await buffer.play(buffer.sequence(1)[1][:-1])
    await buffer.bench.step(cycles)
    await buffer.bench.reset(1)
    words, steps = buffer.sequence(buffer.p["Depth"])
    await buffer.bench.step(2)
    await buffer.play(steps)
    await buffer.bench.finish({buffer.data: len(words), buffer.lengths: 1}, limit=100 + 5 * len(words))
    assert buffer.data.sequences() == [words]


@pytest.mark.parametrize(("width", "beats", "depth", "sequences"), [(8, 1, 7, 3), (5, 3, 4, 1)])
def test_sequence_buffer(width: int, beats: int, depth: int, sequences: int) -> None:
    sizes = {"Width": width, "Beats": beats, "Depth": depth, "Sequences": sequences}
    run_bench("sequence_buffer", __file__, sizes | {"LengthBits": depth.bit_length()})
