# SPDX-License-Identifier: Apache-2.0
"""What a bench checks of any block with one stream in and one out: its results, and that reset forgets everything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gatewright.sim.streams import Beat, Harness, Pace, Sink, Source

Ports = Callable[[Any, Pace], tuple[Harness, Source, Sink]]
"""Harness, source and sink of a device under test at a pace."""
Send = Callable[[Harness, Source, int], list[Beat]]
"""Queues a number of random items; the beats to expect."""


async def check_results(dut: Any, pace: Pace, ports: Ports, send: Send, count: int, limit: int) -> tuple[Source, Sink]:
    """Send `count` items and compare every beat; the ports, for what else there is to check."""
    bench, source, sink = ports(dut, pace)
    await bench.start()
    expected = send(bench, source, count)
    await bench.finish({sink: len(expected)}, limit=limit)
    assert sink.beats == expected
    return source, sink


async def check_reset(dut: Any, cycles: int, ports: Ports, send: Send, limit: int) -> None:
    """Reset after some cycles of work; what comes then is right, and nothing else comes."""
    bench, source, sink = ports(dut, Pace(0.2, 0.6))
    await bench.start()
    send(bench, source, 20)
    await bench.step(cycles)
    await bench.reset(1)
    expected = send(bench, source, 6)
    await bench.finish({sink: len(expected)}, limit=limit)
    assert sink.beats == expected
