# SPDX-License-Identifier: Apache-2.0
"""Bench of ring_router: final passes leave, the others return with the descriptor of the pass that follows."""

from typing import Any

import cocotb
import pytest

from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, parameters, random_words

DATA = ("data",)


class Router:
    """The module with its descriptors, the body's output and both ways out; counts the tokens that leave."""

    def __init__(self, dut: Any, pace: Pace = PACES[0]) -> None:
        self.p = parameters()
        self.dut, self.bench = dut, Harness(dut)
        self.descriptors = self.bench.source("d", pace.idle, DATA)
        self.passes = self.bench.source("q", pace.idle)
        self.results: Sink = self.bench.sink("m", pace.stall, pace.patient)
        # The router offers to the return memory only what that takes: no patience.
        self.tokens: Sink = self.bench.sink("r", pace.stall, fields=DATA)
        self.returned: Sink = self.bench.sink("i", pace.stall / 2, fields=DATA)
        self.bench.ports.append(self)  # type: ignore[arg-type]
        self.reset()

    def reset(self) -> None:
        """Forget the counts."""
        self.tokens_out = self.passes_out = 0

    def step(self, cycle: int) -> None:
        """One clock edge."""
        self.tokens_out += int(self.dut.token_out.value)
        self.passes_out += int(self.dut.pass_out.value)

    def send(self, iteration: int, length: int) -> list[int]:
        """Queue a pass."""
        words = random_words(self.bench.rng, self.p["Width"], length * self.p["Beats"])
        self.descriptors.send([(iteration << self.p["LengthBits"] | length,)])
        self.passes.send_sequence(words)
        return words


@cocotb.test(timeout_time=5, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def integrity(dut: Any, pace: Pace) -> None:
    router = Router(dut, pace)
    await router.bench.start()
    results: list[list[int]] = []
    tokens: list[int] = []
    returned: list[int] = []
    bits, final = router.p["LengthBits"], router.p["Iterations"] - 1
    for _ in range(60):
        iteration, length = router.bench.rng.randint(0, final), router.bench.rng.randint(1, (1 << bits) - 1)
        words = router.send(iteration, length)
        if iteration == final:
            results.append(words)
        else:
            tokens += words
            returned.append(iteration + 1 << bits | length)
    beats = sum(map(len, results))
    counts = {router.results: beats, router.tokens: len(tokens), router.returned: len(returned)}
    await router.bench.finish(counts, limit=500 + 40 * (beats + len(tokens)))
    assert router.results.sequences() == results
    assert router.tokens.words == tokens
    assert router.returned.words == returned
    assert (router.tokens_out, router.passes_out) == (beats // router.p["Beats"], len(results))
    if pace == Pace():
        taken = router.passes.taken
        assert taken[-1] - taken[0] == len(taken) - 1, "one beat per cycle"


@cocotb.test(timeout_time=1, timeout_unit="ms")
async def result_waits_for_its_reader(dut: Any) -> None:
    """A blocked output holds the passes behind it, which is all that it does."""
    router = Router(dut)
    await router.bench.start()
    router.results.stall = 1.0
    first = router.send(router.p["Iterations"] - 1, 3)
    second = router.send(router.p["Iterations"] - 1, 1)
    await router.bench.step(50)
    assert len(router.passes.taken) == 2
    router.results.stall = 0.0
    await router.bench.finish({router.results: len(first) + len(second)}, limit=50)
    assert router.results.sequences() == [first, second]


@cocotb.test(timeout_time=1, timeout_unit="ms")
@cocotb.parametrize(cycles=[1, 2, 3, 7, 20])
async def reset_in_the_middle(dut: Any, cycles: int) -> None:
    router = Router(dut, Pace(0.1, 0.5))
    await router.bench.start()
    for _ in range(6):
        router.send(0, 3)
    await router.bench.step(cycles)
    await router.bench.reset(1)
    words = router.send(router.p["Iterations"] - 1, 2)
    await router.bench.finish({router.results: len(words)}, limit=200)
    assert router.results.sequences() == [words]


@pytest.mark.parametrize(
    ("width", "beats", "iterations", "iteration_bits", "length_bits"),
    [(8, 1, 2, 1, 3), (17, 3, 5, 3, 2), (4, 2, 1, 1, 2)],
)
def test_ring_router(width: int, beats: int, iterations: int, iteration_bits: int, length_bits: int) -> None:
    sizes = {"Width": width, "Beats": beats, "Iterations": iterations}
    run_bench("ring_router", __file__, sizes | {"IterationBits": iteration_bits, "LengthBits": length_bits})
