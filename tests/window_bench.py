# SPDX-License-Identifier: Apache-2.0
"""cocotb tests of padding and windows, against the golden index map."""

from __future__ import annotations

from typing import Any

from gatewright.ops._window import Window, tap_index
from gatewright.sim.streams import Harness, Pace, parameters, random_words

LIMIT = 100_000
SIDES = ("Top", "Left", "Bottom", "Right")


def settings(text: str) -> dict[str, int]:
    """SystemVerilog parameters from "Name=1 Other=2"."""
    return {name: int(value) for name, value in (item.split("=") for item in text.split())}


def geometry() -> Window:
    """The window of the module under test; a module that only pads has a kernel of one tap."""
    p = parameters()

    def pair(name: str) -> tuple[int, int]:
        return p.get(f"{name}H", 1), p.get(f"{name}W", 1)

    padding = tuple(p.get(side, 0) for side in SIDES)
    assert len(padding) == 4
    circular = bool(p.get("Circular", "BeatWidth" in p))
    return Window(pair("Kernel"), pair("Stride"), pair("Dilation"), padding, circular, p["Height"], p["Width"])


def beat_width() -> int:
    """Bits of an input beat."""
    p = parameters()
    return p.get("BeatWidth", 0) or p["Lanes"] * p["DataWidth"]


def expected(window: Window, words: list[int]) -> list[int]:
    """Output beats of one sequence of input beats."""
    p = parameters()
    chunks, width = p["Chunks"], beat_width()
    channel = p.get("DataWidth", width)
    fill = sum(p.get("PadValue", 0) << i * channel for i in range(width // channel))
    found = []
    for taps in tap_index(window, len(words) // chunks):
        for chunk in range(chunks):
            parts = [fill if t < 0 else words[t * chunks + chunk] for t in taps]
            found.append(sum(part << i * width for i, part in enumerate(parts)))
    return found


def inputs(bench: Harness, window: Window, shortest: int, count: int = 7) -> list[list[int]]:
    """Random sequences: of `shortest` tokens, longer ones, and again of `shortest`; or whole images."""
    chunks = parameters()["Chunks"]
    longest = parameters().get("MaxTokens", 25)
    lengths = [
        shortest,
        longest,
        shortest,
        shortest + 1,
        *(bench.rng.randint(shortest, longest) for _ in range(count)),
    ]
    if window.width:
        lengths = [window.height * window.width] * count
    return [random_words(bench.rng, beat_width(), n * chunks) for n in lengths[:count]]


async def check_pace(dut: Any, pace: Pace, shortest: int = 1) -> None:
    """Every beat and every `last` as in the golden index map."""
    bench, window = Harness(dut), geometry()
    source, sink = bench.source(idle=pace.idle), bench.sink(stall=pace.stall, patient=pace.patient)
    await bench.start()
    sequences = inputs(bench, window, shortest)
    for words in sequences:
        source.send_sequence(words)
    wanted = [expected(window, words) for words in sequences]
    await bench.finish({sink: sum(map(len, wanted))}, LIMIT)
    assert sink.sequences() == wanted


async def check_reset(dut: Any, cycles: int, shortest: int = 1) -> None:
    """A reset in the middle of a sequence leaves nothing behind."""
    bench, window = Harness(dut), geometry()
    source, sink = bench.source(idle=0.2), bench.sink(stall=0.4)
    await bench.start()
    for words in inputs(bench, window, shortest):
        source.send_sequence(words)
    await bench.step(cycles)
    await bench.reset(1)
    sequences = inputs(bench, window, shortest, 3)
    for words in sequences:
        source.send_sequence(words)
    wanted = [expected(window, words) for words in sequences]
    await bench.finish({sink: sum(map(len, wanted))}, LIMIT)
    assert sink.sequences() == wanted


async def check_throughput(dut: Any, limited_by_output: bool, shortest: int = 1) -> None:
    """No bubble: the side that has more beats moves one in every cycle once it has begun.

    Args:
        limited_by_output: padding; else a window without padding, which takes a beat in every cycle.
    """
    bench, window = Harness(dut), geometry()
    source, sink = bench.source(), bench.sink()
    await bench.start()
    # Equally long sequences: the next one has come in by the time this one has gone out.
    chunks, tokens = parameters()["Chunks"], window.height * window.width or max(shortest, 9)
    sequences = [random_words(bench.rng, beat_width(), tokens * chunks) for _ in range(4)]
    for words in sequences:
        source.send_sequence(words)
    count = 4 * len(expected(window, sequences[0]))
    await bench.finish({sink: count}, LIMIT)
    cycles = sink.cycles if limited_by_output else source.taken
    assert cycles == list(range(cycles[0], cycles[0] + len(cycles)))
