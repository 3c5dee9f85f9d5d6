# SPDX-License-Identifier: Apache-2.0
"""Bench of packet_sender: what leaves is `packets.frame` of what was written, again and again, under back-pressure."""

from typing import Any

import cocotb

from gatewright.shell.packets import END, ESCAPE, frame
from gatewright.sim.bench import run_bench
from gatewright.sim.streams import PACES, Harness, Pace, Sink, parameters


async def send(bench: Harness, sink: Sink, body: bytes, write: bool = True) -> None:
    """Write a packet and send it, or send the one that is there; returns at its end."""
    dut = bench.dut
    for address, value in enumerate(body if write else b""):
        dut.write_valid.value, dut.write_address.value, dut.write_data.value = 1, address, value
        await bench.step()
    dut.write_valid.value, dut.send.value, dut.length.value = 0, 1, len(body)
    await bench.step()
    dut.send.value, dut.length.value = 0, 0
    await bench.step()
    await bench.until(lambda: not int(dut.busy.value), 20000)


@cocotb.test(timeout_time=20, timeout_unit="ms")
@cocotb.parametrize(pace=PACES)
async def frames(dut: Any, pace: Pace) -> None:
    bench = Harness(dut)
    dut.send.value = dut.write_valid.value = 0
    sink = bench.sink("m", pace.stall, pace.patient, ("data",))
    await bench.start()
    wanted = b""
    for length in (1, 4, 7, parameters()["Bytes"]):
        body = bytes(bench.rng.choice((END, ESCAPE, bench.rng.getrandbits(8))) for _ in range(length))
        await send(bench, sink, body)
        await send(bench, sink, body, write=False)
        wanted += 2 * frame(body)
    assert bytes(sink.words) == wanted


@cocotb.test(timeout_time=2, timeout_unit="ms")
async def reset_in_the_middle(dut: Any) -> None:
    bench = Harness(dut)
    dut.send.value = dut.write_valid.value = 0
    sink = bench.sink("m", 0.5, fields=("data",))
    await bench.start()
    for address in range(4):
        dut.write_valid.value, dut.write_address.value, dut.write_data.value = 1, address, END
        await bench.step()
    dut.write_valid.value, dut.send.value, dut.length.value = 0, 1, 4
    await bench.step()
    dut.send.value = 0
    await bench.step(12)
    assert int(dut.busy.value)
    await bench.reset(1)
    await bench.step(3)
    assert not int(dut.busy.value) and not sink.beats
    # The memory outlives the reset.
    await send(bench, sink, bytes([END] * 4), write=False)
    assert bytes(sink.words) == frame(bytes([END] * 4))


def test_packet_sender() -> None:
    run_bench("packet_sender", __file__, {"Bytes": 20})
