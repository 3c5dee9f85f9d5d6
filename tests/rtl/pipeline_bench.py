# SPDX-License-Identifier: Apache-2.0
"""For modules that are a pipeline without a handshake: `enable` moves all of it, `m_valid` marks a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gatewright.sim.streams import Harness

Result = TypeVar("Result")


async def results(
    dut: Any, share: float, inputs: Sequence[dict[str, int]], count: int, read: Callable[[], Result]
) -> tuple[list[Result], int]:
    """Feed a pipeline, and collect until there are `count` results; then as many cycles more as there were inputs.

    Args:
        share: of the cycles that are enabled, and of those with an input.
        inputs: values of the pins, in the order in which they go in.
        read: a result from the output pins.

    Returns:
        The results, and the enabled cycles until the last of them.
    """
    bench = Harness(dut)
    dut.enable.value, dut.s_valid.value = 1, 0
    await bench.start()
    found: list[Result] = []
    sent = moved = 0
    while len(found) < count:
        enable, offer = bench.rng.random() < share, sent < len(inputs) and bench.rng.random() < share
        dut.enable.value, dut.s_valid.value = enable, offer
        for name, value in (inputs[sent] if offer else {}).items():
            getattr(dut, name).value = value
        await bench.step()
        if enable:
            moved, sent = moved + 1, sent + offer
            if dut.m_valid.value:
                found.append(read())
        assert moved < 20 * len(inputs) + 100, "nothing comes out"
    dut.enable.value, dut.s_valid.value = 1, 0
    for _ in range(40):
        await bench.step()
        assert not dut.m_valid.value, "more results than inputs"
    return found, moved
