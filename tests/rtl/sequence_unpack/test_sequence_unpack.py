# SPDX-License-Identifier: Apache-2.0
"""Bench of sequence_unpack: as many sequences as the run has leave it, whatever the data say."""

from collections.abc import Sequence
from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.ports import Pin
from gatewright.sim.streams import PACES, Beat, Harness, Pace, parameters, random_words

LENGTHS = (1, 3, 0, 7, 1, 20)


class Bench:
    """Runs, one by one."""

    def __init__(self, dut: Any, pace: Pace) -> None:
        self.dut, self.harness = dut, Harness(dut)
        dut.start.value = 0
        self.done, self.wrong = Pin(dut.done), Pin(dut.wrong_length)
        self.source = self.harness.source(idle=pace.idle, fields=("data", "ragged", "last"))
        self.sink = self.harness.sink(stall=pace.stall, patient=pace.patient, fields=("data", "keep", "tag", "last"))
        self.size, self.beats = parameters()["BeatBytes"], parameters()["Beats"]

    def packet(self, lengths: Sequence[int]) -> tuple[list[int], list[list[int]]]:
        """Beats of a packet, and the beats of its sequences."""
        heads = max(1, 4 // self.size)
        packet, bodies = [], []
        for length in lengths:
            packet += [length >> 8 * self.size * i & (1 << 8 * self.size) - 1 for i in range(heads)]
            bodies.append(random_words(self.harness.rng, 8 * self.size, length * self.beats))
            packet += bodies[-1]
        return packet, bodies

    async def run(self, sequences: int, packet: Sequence[int], ragged: bool = False) -> None:
        """One run, to its end."""
        self.dut.sequences.value, self.dut.no_data.value = sequences, int(not packet)
        self.dut.start.value = 1
        await self.harness.step()
        self.dut.start.value = 0
        end = len(packet) - 1
        self.source.send([(word, int(ragged and i == end), int(i == end)) for i, word in enumerate(packet)])
        await self.harness.step(2)
        await self.harness.until(lambda: bool(self.done.get()) and self.source.empty, 20000)

    def expect(self, bodies: Sequence[Sequence[int]]) -> None:
        """Exactly these sequences; an empty one is a null beat, and so is what ends a broken one."""
        wanted: list[Beat] = []
        tags = (1 << parameters()["TagBits"]) - 1
        for tag, (body, whole) in enumerate(bodies):
            wanted += [(b, 1, tag & tags, int(whole and i == len(body) - 1)) for i, b in enumerate(body)]
            if not whole or not body:
                wanted.append((-1, 0, tag & tags, 1))
        found = [b if b[1] else (-1, *b[1:]) for b in self.sink.beats]
        assert found == wanted
        self.sink.beats.clear()


def whole(bodies: Sequence[list[int]]) -> list[tuple[list[int], bool]]:
    return [(b, True) for b in bodies]


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    bench = Bench(dut, pace)
    await bench.harness.start()
    for lengths in (LENGTHS, (5,), (), LENGTHS * 2):
        packet, bodies = bench.packet(lengths)
        await bench.run(len(lengths), packet)
        assert not bench.wrong.get()
        bench.expect(whole(bodies))


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(ragged=[False, True])
async def data_end_too_early(dut: Any, ragged: bool) -> None:
    """Cut at every beat: what came is passed on, what is missing is empty, and the length is wrong."""
    bench = Bench(dut, Pace(0.2, 0.2))
    await bench.harness.start()
    lengths = (2, 3, 1)
    packet, bodies = bench.packet(lengths)
    heads = max(1, 4 // bench.size)
    for cut in range(ragged, len(packet)):
        await bench.run(3, packet[:cut], ragged)
        assert bench.wrong.get()
        left, wanted = cut - ragged, []
        for body in bodies:
            part = body[: max(0, left - heads)]
            wanted.append((part, len(part) == len(body)))
            left -= heads + len(body)
        bench.expect(wanted)


@cocotb.test(timeout_time=10, timeout_unit="ms")
async def data_are_too_long(dut: Any) -> None:
    """What lies behind the final sequence is thrown away, and the next run is right."""
    bench = Bench(dut, Pace(0.2, 0.2))
    await bench.harness.start()
    packet, bodies = bench.packet(LENGTHS)
    for count in range(len(LENGTHS)):
        await bench.run(count, packet)
        assert bench.wrong.get()
        bench.expect(whole(bodies[:count]))
    # A single beat too many is one.
    await bench.run(len(LENGTHS), [*packet, 1])
    assert bench.wrong.get()
    bench.expect(whole(bodies))
    await bench.run(len(LENGTHS), packet)
    assert not bench.wrong.get()
    bench.expect(whole(bodies))


@cocotb.test(timeout_time=10, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 6, 11])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    bench = Bench(dut, Pace(0.2, 0.2))
    await bench.harness.start()
    packet, bodies = bench.packet(LENGTHS)
    dut.sequences.value, dut.no_data.value, dut.start.value = len(LENGTHS), 0, 1
    await bench.harness.step()
    dut.start.value = 0
    bench.source.send([(word, 0, 0) for word in packet])
    await bench.harness.step(cycles)
    await bench.harness.reset(1)
    bench.sink.beats.clear()
    await bench.run(len(LENGTHS), packet)
    bench.expect(whole(bodies))


@pytest.mark.parametrize(("size", "beats"), [(1, 1), (16, 2)])
def test_sequence_unpack(size: int, beats: int) -> None:
    run_bench("sequence_unpack", __file__, {"BeatBytes": size, "Beats": beats, "TagBits": 3})
